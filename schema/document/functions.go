package document

import (
	"encoding/json"

	"github.com/mailform/mailform/schema"
)

type functionsDocument struct {
	FormatVersion string                       `json:"format_version"`
	Signatures    map[string]functionSignature `json:"function_signatures"`
}

type functionSignature struct {
	Description string              `json:"description,omitempty"`
	ReturnType  json.RawMessage     `json:"return_type"`
	Parameters  []functionParameter `json:"parameters,omitempty"`
	Variadic    *functionParameter  `json:"variadic_parameter,omitempty"`
}

type functionParameter struct {
	Name string          `json:"name"`
	Type json.RawMessage `json:"type"`
}

// Functions is the document of metadata functions -json, indented.
func Functions() ([]byte, error) {
	doc := functionsDocument{FormatVersion: functionsFormat, Signatures: map[string]functionSignature{}}
	for _, f := range schema.Functions() {
		if f.ConsoleOnly {
			continue
		}
		s := functionSignature{Description: f.Doc, ReturnType: typeOf(f.Returns)}
		for _, p := range f.Params {
			s.Parameters = append(s.Parameters, functionParameter{p.Name, typeOf(p.Type)})
		}
		if f.Variadic != nil {
			s.Variadic = &functionParameter{f.Variadic.Name, typeOf(f.Variadic.Type)}
		}
		doc.Signatures[f.Name] = s
	}
	return indented(doc)
}

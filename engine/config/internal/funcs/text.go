package funcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// textFunc makes a function from one string to another.
func textFunc(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type:   static(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

// textTest makes a function that compares two strings.
func textTest(f func(s, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "part", Type: cty.String}},
		Type:   static(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

var (
	startsWith  = textTest(strings.HasPrefix)
	endsWith    = textTest(strings.HasSuffix)
	strContains = textTest(strings.Contains)
)

// replace exchanges parts of a string. A search between slashes is a regular
// expression.
var replace = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "text", Type: cty.String}, {Name: "search", Type: cty.String}, {Name: "replacement", Type: cty.String},
	},
	Type: static(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		s, search, with := args[0].AsString(), args[1].AsString(), args[2].AsString()
		if len(search) > 1 && search[0] == '/' && search[len(search)-1] == '/' {
			re, err := regexp.Compile(search[1 : len(search)-1])
			if err != nil {
				return cty.NilVal, function.NewArgError(1, err)
			}
			return cty.StringVal(re.ReplaceAllString(s, with)), nil
		}
		return cty.StringVal(strings.ReplaceAll(s, search, with)), nil
	},
})

// maxNesting bounds what is decoded: the decoders descend by recursion, and a
// stack that overflows cannot be recovered from.
const maxNesting = 200

var jsonDecode = guarded(stdlib.JSONDecodeFunc, jsonDepth, checkJSON)
var yamlDecode = guarded(yaml.YAMLDecodeFunc, yamlDepth, nil)

// checkJSON says where a text is not JSON; the decoder only says "EOF".
func checkJSON(s string) error {
	var v json.RawMessage
	err := json.Unmarshal([]byte(s), &v)
	if err == nil {
		return nil
	}
	at := len(s)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = min(max(int(syntax.Offset)-1, 0), len(s))
	}
	line := 1 + strings.Count(s[:at], "\n")
	switch {
	case strings.TrimSpace(s) == "":
		return errors.New("is empty, which is not JSON")
	case err.Error() == "unexpected end of JSON input":
		return errors.New("ends before the JSON value does")
	}
	return fmt.Errorf("is not valid JSON: line %d, %w", line, err)
}

// guarded refuses text that nests too deeply, or that a check refuses, before f
// sees it.
func guarded(f function.Function, depth func(string) int, check func(string) error) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			if depth(args[0].AsString()) > maxNesting {
				return cty.NilType, function.NewArgErrorf(0, "nests more than %d levels deep", maxNesting)
			}
			if check != nil {
				if err := check(args[0].AsString()); err != nil {
					return cty.NilType, function.NewArgError(0, err)
				}
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// jsonDepth is the deepest nesting in a JSON text.
func jsonDepth(s string) int {
	depth, most, quoted := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			most = max(most, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return most
}

// yamlDepth is an upper bound of the nesting in a YAML text of usual shape: the
// deepest indentation and the entries that begin on one line, and what brackets
// stay open. Brackets in plain text count too, which only matters for hundreds
// of them that are never closed.
func yamlDepth(s string) int {
	most, open := 0, 0
	for line := range strings.SplitSeq(s, "\n") {
		text := strings.TrimLeft(line, " ")
		level := len(line) - len(text)
		for strings.HasPrefix(text, "- ") || strings.HasPrefix(text, "? ") {
			text = strings.TrimLeft(text[2:], " ")
			level++
		}
		for i := range len(text) {
			switch text[i] {
			case '[', '{':
				open++
			case ']', '}':
				open = max(0, open-1)
			}
			most = max(most, level/2+open)
		}
		most = max(most, level/2)
	}
	return most
}

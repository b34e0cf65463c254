package sealed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/zclconf/go-cty/cty"
	yaml "go.yaml.in/yaml/v3"
)

// maxDepth bounds how deep values nest.
const maxDepth = 200

// A tree is a document whose order is kept: it matters to what authenticates it.
// A leaf has a value, a branch items; those of a map have names.
type tree struct {
	kind  kind
	value any      // of a leaf: string, int, float64, bool, time.Time, nil
	names []string // of a map
	items []*tree
}

type kind int

const (
	leaf kind = iota
	list
	object
)

// get finds an item of a map; nil: there is none.
func (t *tree) get(name string) *tree {
	if t == nil || t.kind != object {
		return nil
	}
	for i, n := range t.names {
		if n == name {
			return t.items[i]
		}
	}
	return nil
}

// text is the string that a leaf is; empty for anything else.
func (t *tree) text() string {
	if t == nil {
		return ""
	}
	s, _ := t.value.(string)
	return s
}

// parseYAML reads a document, which has to be a map.
func parseYAML(src []byte) (*tree, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, errors.New("it is not valid YAML")
	}
	var next yaml.Node
	if err := dec.Decode(&next); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one YAML document")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("it is not a map of names to values")
	}
	return fromYAML(doc.Content[0], 0)
}

func fromYAML(n *yaml.Node, depth int) (*tree, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it nests more than %d levels deep", maxDepth)
	}
	switch n.Kind {
	case yaml.MappingNode:
		t := &tree{kind: object}
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
				return nil, fmt.Errorf("line %d has a key that is no text", key.Line)
			}
			if seen[key.Value] {
				return nil, fmt.Errorf("line %d has a key for the second time", key.Line)
			}
			seen[key.Value] = true
			item, err := fromYAML(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			t.names, t.items = append(t.names, key.Value), append(t.items, item)
		}
		return t, nil
	case yaml.SequenceNode:
		t := &tree{kind: list}
		for _, c := range n.Content {
			item, err := fromYAML(c, depth+1)
			if err != nil {
				return nil, err
			}
			t.items = append(t.items, item)
		}
		return t, nil
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, fmt.Errorf("line %d has a value that is not what its tag says", n.Line)
		}
		switch v := v.(type) {
		case nil, string, int, float64, bool, time.Time:
			return &tree{value: v}, nil
		}
		return nil, fmt.Errorf("line %d has a value of a type that there is not in a configuration", n.Line)
	}
	return nil, fmt.Errorf("line %d has an alias; write the value itself", n.Line)
}

// parseJSON reads a document, which has to be an object.
func parseJSON(src []byte) (*tree, error) {
	dec := json.NewDecoder(bytes.NewReader(src))
	tok, err := dec.Token()
	if err != nil || tok != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	t, err := fromJSON(dec, tok, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something behind the JSON object")
	}
	return t, nil
}

var errJSON = errors.New("it is not valid JSON")

func fromJSON(dec *json.Decoder, tok json.Token, depth int) (*tree, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it nests more than %d levels deep", maxDepth)
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return &tree{value: tok}, nil
	}
	t := &tree{kind: list}
	if delim == '{' {
		t.kind = object
	}
	seen := map[string]bool{}
	for dec.More() {
		if t.kind == object {
			name, err := dec.Token()
			if err != nil {
				return nil, errJSON
			}
			s, ok := name.(string)
			if !ok || seen[s] {
				return nil, errors.New("it has a key for the second time")
			}
			seen[s] = true
			t.names = append(t.names, s)
		}
		tok, err := dec.Token()
		if err != nil {
			return nil, errJSON
		}
		item, err := fromJSON(dec, tok, depth+1)
		if err != nil {
			return nil, err
		}
		t.items = append(t.items, item)
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return nil, errJSON
	}
	return t, nil
}

// cty is the tree as a value of the language.
func (t *tree) cty() (cty.Value, error) {
	switch t.kind {
	case list:
		items := make([]cty.Value, len(t.items))
		for i, item := range t.items {
			var err error
			if items[i], err = item.cty(); err != nil {
				return cty.NilVal, err
			}
		}
		return cty.TupleVal(items), nil
	case object:
		attrs := make(map[string]cty.Value, len(t.items))
		for i, item := range t.items {
			v, err := item.cty()
			if err != nil {
				return cty.NilVal, err
			}
			attrs[t.names[i]] = v
		}
		return cty.ObjectVal(attrs), nil
	}
	switch v := t.value.(type) {
	case string:
		return cty.StringVal(v), nil
	case int:
		return cty.NumberIntVal(int64(v)), nil
	case float64:
		n, err := cty.ParseNumberVal(strconv.FormatFloat(v, 'f', -1, 64))
		if err != nil {
			return cty.NilVal, errors.New("it has a number that is none: infinite, or not a number")
		}
		return n, nil
	case bool:
		return cty.BoolVal(v), nil
	case time.Time:
		return cty.StringVal(v.Format(time.RFC3339)), nil
	}
	return cty.NullVal(cty.DynamicPseudoType), nil
}

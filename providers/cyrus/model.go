package cyrus

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mailform/mailform/schema"
)

// A model is what mailform knows of the server beyond what the server itself can
// say: for whom a thing was made, and which of what is declared its native values
// were made of. It holds no secret.
type model struct {
	// Serial grows with each change.
	Serial int64 `json:"serial"`
	// Marks by kind, a blank and the key.
	Marks map[string]*mark `json:"marks"`
}

// A mark is what is known of one thing.
type mark struct {
	Address string `json:"address"`
	Lineage string `json:"lineage"`
	Serial  int64  `json:"serial"`
	// Pending says that a mailbox was being made when this was written.
	Pending bool `json:"pending,omitempty"`
	// Of a mailbox.
	Quota     int64    `json:"quota,omitempty"`
	Protocols []string `json:"protocols,omitempty"`
	Mail      string   `json:"mail,omitempty"`
	// Of the mail store, in seconds.
	Retention int64 `json:"retention,omitempty"`
	// Of a listener.
	Hostname string `json:"hostname,omitempty"`
}

// parseModel reads a model. An empty text is one without marks.
func parseModel(text []byte) (*model, error) {
	m := &model{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, m); err != nil {
			return nil, err
		}
	}
	if m.Marks == nil {
		m.Marks = map[string]*mark{}
	}
	for name, k := range m.Marks {
		if k == nil {
			return nil, fmt.Errorf("the mark of %s is null", name)
		}
	}
	return m, nil
}

func (m *model) bytes() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", " ")
	return append(text, '\n'), err
}

func markName(kind, key string) string { return kind + " " + key }

func (m *model) mark(kind, key string) *mark { return m.Marks[markName(kind, key)] }

// put marks a thing anew.
func (m *model) put(r schema.Resource, lineage string, k mark) *mark {
	m.Serial++
	k.Address, k.Lineage, k.Serial = r.Address, lineage, m.Serial
	m.Marks[markName(r.Kind, r.Key)] = &k
	return &k
}

func (m *model) drop(kind, key string) {
	m.Serial++
	delete(m.Marks, markName(kind, key))
}

// keys are those of the things of a kind, sorted.
func (m *model) keys(kind string) []string {
	var keys []string
	for name := range m.Marks {
		if key, ok := cutKind(name, kind); ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func cutKind(name, kind string) (string, bool) {
	if len(name) > len(kind) && name[:len(kind)] == kind && name[len(kind)] == ' ' {
		return name[len(kind)+1:], true
	}
	return "", false
}

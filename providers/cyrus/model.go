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
	// Scripts are the Sieve scripts that are declared of mailboxes, by digests of
	// them: many users may have the same.
	Scripts map[string]string `json:"scripts,omitempty"`
	// Scripted are addresses of mailboxes that were deleted with a script.
	Scripted map[string]bool `json:"scripted,omitempty"`
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
	Script    string   `json:"script,omitempty"` // the name of one of the model's
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
	if m.Scripted == nil {
		m.Scripted = map[string]bool{}
	}
	if m.Scripts == nil {
		m.Scripts = map[string]string{}
	}
	for name, k := range m.Marks {
		if k == nil {
			return nil, fmt.Errorf("the mark of %s is null", name)
		}
	}
	return m, nil
}

// keep has a script be known, and returns its name.
func (m *model) keep(script string) string {
	name := digestOf(script)
	if name != "" {
		m.Scripts[name] = script
	}
	return name
}

func (m *model) bytes() ([]byte, error) {
	used := map[string]bool{}
	for _, k := range m.Marks {
		used[k.Script] = true
	}
	for name := range m.Scripts {
		if !used[name] {
			delete(m.Scripts, name)
		}
	}
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

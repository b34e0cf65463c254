package state

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/schema"
)

// A document is a whole state as one JSON object: what `state pull` prints and
// what backends keep that can only keep a whole. "serial" and "lineage" stand
// at the top, where servers of Terraform's protocol look for them.
type document struct {
	Format    int               `json:"mailform_state"`
	Lineage   string            `json:"lineage"`
	Serial    uint64            `json:"serial"`
	Outputs   map[string]Output `json:"outputs,omitempty"`
	Last      *appliedRecord    `json:"last_apply,omitempty"`
	Open      *appliedRecord    `json:"open_apply,omitempty"`
	Resources []json.RawMessage `json:"resources"`
}

// WriteDocument writes a state as one JSON object, a line for each resource. The
// same state always gives the same bytes.
func WriteDocument(w io.Writer, s *State) error {
	b := bufio.NewWriter(w)
	lineage, err := json.Marshal(s.Lineage)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	fmt.Fprintf(b, "{\n\"mailform_state\": %d,\n\"lineage\": %s,\n\"serial\": %d,\n", formatVersion(), lineage, s.Serial)
	if len(s.Outputs) > 0 {
		outputs, err := json.Marshal(s.Outputs)
		if err != nil {
			return fmt.Errorf("encode state: %w", err)
		}
		fmt.Fprintf(b, "\"outputs\": %s,\n", outputs)
	}
	for _, named := range []struct {
		name    string
		applied *Applied
		open    bool
	}{{"last_apply", s.Last, false}, {"open_apply", s.Open, true}} {
		if named.applied == nil {
			continue
		}
		r, err := named.applied.record(named.open)
		if err != nil {
			return err
		}
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode state: %w", err)
		}
		fmt.Fprintf(b, "%q: %s,\n", named.name, line)
	}
	b.WriteString("\"resources\": [")
	for i, id := range s.IDs() {
		put, err := s.Resources[id].record()
		if err != nil {
			return err
		}
		line, err := json.Marshal(put)
		if err != nil {
			return fmt.Errorf("encode state: %w", err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(line)
	}
	b.WriteString("\n]\n}\n")
	return b.Flush()
}

// ReadDocument reads what WriteDocument has written. name says in errors where
// it comes from. Errors that can be tested for: *DamageError, *VersionError.
func ReadDocument(name string, data []byte) (*State, error) {
	s, _, err := readDocument(name, data)
	return s, err
}

// readDocument also tells the format.
func readDocument(name string, data []byte) (s *State, format int, err error) {
	if seal.Sealed(data) {
		return nil, 0, &SealError{name, errors.New("it is encrypted, and a plain one is needed here, as \"mailform state pull\" prints it")}
	}
	var d document
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&d); err != nil {
		return nil, 0, &DamageError{name, 0, "it is no whole JSON document: " + err.Error()}
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, 0, &DamageError{name, 0, "something follows its end"}
	}
	switch {
	case d.Format < 1:
		return nil, 0, &DamageError{name, 0, "this is no mailform state"}
	case d.Format > formatVersion():
		return nil, 0, &VersionError{name, d.Format}
	case d.Lineage == "":
		return nil, 0, &DamageError{name, 0, "the lineage is missing"}
	}
	s = &State{Lineage: d.Lineage, Serial: d.Serial, Outputs: d.Outputs, Resources: make(map[schema.ID]*Resource, len(d.Resources))}
	var attrs decoder
	for i, raw := range d.Resources {
		var rec resourceRecord
		raw, err := upgradeResource(d.Format, raw)
		if err == nil {
			err = json.Unmarshal(raw, &rec)
		}
		var r *Resource
		if err == nil {
			r, err = attrs.resource(&rec)
		}
		if err == nil && (r.ID.Kind == "" || r.ID.Key == "" || r.Address == "") {
			err = fmt.Errorf("kind, key or address is missing")
		}
		if err == nil && s.Resources[r.ID] != nil {
			err = fmt.Errorf("%s %s stands there twice", r.ID.Kind, r.ID.Key)
		}
		if err != nil {
			return nil, 0, &DamageError{name, 0, fmt.Sprintf("resource %d: %v", i+1, err)}
		}
		s.Resources[r.ID] = r
	}
	if d.Last != nil {
		s.Last = d.Last.applied()
	}
	if d.Open != nil {
		s.Open = d.Open.applied()
	}
	return s, d.Format, nil
}

// Clone is a state that can be changed without the other. Resources are shared:
// nobody changes one that is in a state.
func (s *State) Clone() *State {
	c := *s
	c.Resources = maps.Clone(s.Resources)
	c.Outputs = maps.Clone(s.Outputs)
	c.Open = s.Open.clone()
	if c.Resources == nil {
		c.Resources = map[schema.ID]*Resource{}
	}
	return &c
}

// Apply brings entries into the state. It leaves lineage and serial alone.
func (s *State) Apply(entries []Entry) {
	for _, e := range entries {
		s.apply(loaded{put: e.Put, del: e.Delete, outputs: e.Outputs, begin: e.Begin, end: e.End})
	}
}

// Same reports whether two states say the same of resources and outputs.
func Same(a, b *State) (bool, error) {
	var x, y bytes.Buffer
	if err := WriteDocument(&x, &State{Resources: a.Resources, Outputs: a.Outputs}); err != nil {
		return false, err
	}
	if err := WriteDocument(&y, &State{Resources: b.Resources, Outputs: b.Outputs}); err != nil {
		return false, err
	}
	return bytes.Equal(x.Bytes(), y.Bytes()), nil
}

// NewLineage makes a random UUID (RFC 9562, version 4). Lock IDs are such, too.
func NewLineage() string { return newLineage() }

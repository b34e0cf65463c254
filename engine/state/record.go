package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/attrjson"
	"github.com/mailform/mailform/schema/rawjson"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A record is one line of a journal or of a snapshot's body.
type record struct {
	// Serial of the write that the line belongs to; 0 in a snapshot.
	Serial  uint64            `json:"serial,omitempty"`
	Put     *resourceRecord   `json:"put,omitempty"`
	Delete  *idRecord         `json:"delete,omitempty"`
	Outputs map[string]Output `json:"outputs,omitempty"`
	// NoOutputs tells an empty set of outputs from none given.
	NoOutputs bool `json:"no_outputs,omitempty"`
	// Begin and End enclose what one apply writes.
	Begin *appliedRecord `json:"begin,omitempty"`
	End   bool           `json:"end,omitempty"`
	// Applied stands in snapshots alone: what an apply has changed.
	Applied *appliedRecord `json:"applied,omitempty"`
}

type idRecord struct {
	Target string `json:"target"`
	Kind   string `json:"kind"`
	Key    string `json:"key"`
}

type resourceRecord struct {
	idRecord
	Address        string          `json:"address"`
	Attrs          json.RawMessage `json:"attrs"`
	DependsOn      []string        `json:"depends_on,omitempty"`
	PreventDestroy bool            `json:"prevent_destroy,omitempty"`
	Declared       string          `json:"declared,omitempty"`
	Adopted        bool            `json:"adopted,omitempty"`
	Staging        *Staging        `json:"staging,omitempty"`
}

func (e Entry) record(serial uint64) (record, error) {
	r := record{Serial: serial}
	switch {
	case e.Put != nil:
		put, err := e.Put.record()
		if err != nil {
			return r, err
		}
		r.Put = put
	case e.Delete != nil:
		r.Delete = &idRecord{e.Delete.Target, e.Delete.Kind, e.Delete.Key}
	case len(e.Outputs) > 0:
		r.Outputs = e.Outputs
	case e.Outputs != nil:
		r.NoOutputs = true
	case e.Begin != nil:
		r.Begin = e.Begin.header()
	case e.End:
		r.End = true
	default:
		return r, fmt.Errorf("encode state entry: nothing is set")
	}
	return r, nil
}

func (r *Resource) record() (*resourceRecord, error) {
	attrs, err := r.attributes(nil)
	if err != nil {
		return nil, err
	}
	return &resourceRecord{
		idRecord:       idRecord{r.ID.Target, r.ID.Kind, r.ID.Key},
		Address:        r.Address,
		Attrs:          attrs,
		DependsOn:      r.DependsOn,
		PreventDestroy: r.PreventDestroy,
		Declared:       r.Declared,
		Adopted:        r.Adopted,
		Staging:        r.Staging,
	}, nil
}

// A decoder reads many records, one after the other.
type decoder struct{ attrs attrjson.Reader }

// resource decodes what record has encoded.
func (d *decoder) resource(r *resourceRecord) (*Resource, error) {
	attrs, err := d.attributes(r.Kind, r.Attrs)
	if err != nil {
		return nil, fmt.Errorf("attributes of %s: %w", r.Address, err)
	}
	return &Resource{
		ID:             schema.ID{Target: r.Target, Kind: r.Kind, Key: r.Key},
		Address:        r.Address,
		Attrs:          attrs,
		DependsOn:      r.DependsOn,
		PreventDestroy: r.PreventDestroy,
		Declared:       r.Declared,
		Adopted:        r.Adopted,
		Staging:        r.Staging,
	}, nil
}

// A loaded is a record whose values are decoded. Exactly one field beside the
// serial is meant, as in an Entry.
type loaded struct {
	serial  uint64
	put     *Resource
	del     *schema.ID
	outputs map[string]Output
	begin   *Applied
	end     bool
	// last and open stand in a snapshot.
	last, open *Applied
}

func (d *decoder) record(line []byte) (loaded, error) {
	if put, serial, ok := plainPut(line); ok {
		res, err := d.resource(&put)
		return loaded{serial: serial, put: res}, err
	}
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return loaded{}, err
	}
	out := loaded{serial: r.Serial}
	switch {
	case r.Put != nil:
		put, err := d.resource(r.Put)
		if err != nil {
			return loaded{}, err
		}
		out.put = put
	case r.Delete != nil:
		out.del = &schema.ID{Target: r.Delete.Target, Kind: r.Delete.Kind, Key: r.Delete.Key}
	case r.Outputs != nil:
		out.outputs = r.Outputs
	case r.NoOutputs:
		out.outputs = map[string]Output{}
	case r.Begin != nil:
		out.begin = r.Begin.applied()
	case r.End:
		out.end = true
	case r.Applied != nil && r.Applied.Open:
		out.open = r.Applied.applied()
	case r.Applied != nil:
		out.last = r.Applied.applied()
	default:
		return loaded{}, fmt.Errorf("a line that says nothing")
	}
	return out, nil
}

// plainPut reads the line of a resource as nearly all of them are: without
// dependencies, and without escapes in its texts. It reports false for all else.
func plainPut(line []byte) (r resourceRecord, serial uint64, ok bool) {
	body, journal := bytes.CutPrefix(line, []byte(`{"serial":`))
	if journal { // that of a snapshot has none
		n := bytes.IndexByte(body, ',')
		if n < 1 || body[0] == '0' {
			return r, 0, false
		}
		var err error
		if serial, err = strconv.ParseUint(string(body[:n]), 10, 64); err != nil {
			return r, 0, false
		}
		body, ok = bytes.CutPrefix(body[n+1:], []byte(`"put":`))
	} else {
		body, ok = bytes.CutPrefix(line, []byte(`{"put":`))
	}
	if !ok {
		return r, 0, false
	}
	if body, ok = bytes.CutSuffix(body, []byte{'}'}); !ok {
		return r, 0, false
	}
	err := rawjson.Fields(body, func(name, value []byte) error {
		var text *string
		switch string(name) {
		case "target":
			text = &r.Target
		case "kind":
			text = &r.Kind
		case "key":
			text = &r.Key
		case "address":
			text = &r.Address
		case "attrs":
			if value[0] != '{' {
				return errNotPlain
			}
			r.Attrs = value
			return nil
		default:
			return errNotPlain
		}
		if *text, ok = rawjson.Text(value); !ok {
			return errNotPlain
		}
		return nil
	})
	return r, serial, err == nil && r.Kind != "" && r.Key != "" && r.Address != "" && r.Attrs != nil
}

var errNotPlain = errors.New("not as nearly all are")

// attributes reads attributes as the kind has them now. Those of a kind that this
// version does not know are kept as they are.
func (d *decoder) attributes(kind string, raw []byte) (cty.Value, error) {
	if k := schema.KindByName(kind); k != nil {
		return d.attrs.Object(k, raw)
	}
	ty, err := ctyjson.ImpliedType(raw)
	if err != nil {
		return cty.NilVal, err
	}
	return ctyjson.Unmarshal(raw, ty)
}

// EncodeEntry is an entry as a journal keeps it, as JSON without a serial.
func EncodeEntry(e Entry) ([]byte, error) {
	return e.append(nil, 0)
}

// DecodeEntry reads what EncodeEntry has written.
func DecodeEntry(raw []byte) (Entry, error) {
	var d decoder
	r, err := d.record(raw)
	if err != nil {
		return Entry{}, err
	}
	return r.entry()
}

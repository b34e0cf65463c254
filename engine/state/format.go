package state

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// A step makes a record of the next format of one of an earlier format. A record
// is the JSON of one line, as the type record writes it.
type step func(line []byte) ([]byte, error)

// steps lead from each format to the next: the first from 1 to 2. A change of the
// type record that older files are not read with any more adds one, and a sample of
// the format before it to testdata. What a kind gains or loses needs none, see
// decodeAttrs.
//
// A file of an earlier format is read through them, and is written anew whole
// before anything is added to it.
var steps []step

// formatVersion is the version that is written, of snapshots, journals and
// documents alike.
func formatVersion() int { return len(steps) + 1 }

// upgrade brings records of a format to the present one, in place. For an error it
// tells the line.
func upgrade(format int, lines [][]byte) (bad int, err error) {
	for i := range lines {
		for f := format; f < formatVersion(); f++ {
			if lines[i], err = steps[f-1](lines[i]); err != nil {
				return i, fmt.Errorf("make format %d of format %d: %w", f+1, f, err)
			}
		}
	}
	return 0, nil
}

// upgradeResource does it for a resource that stands alone, as in a document.
func upgradeResource(format int, raw json.RawMessage) (json.RawMessage, error) {
	if format == formatVersion() {
		return raw, nil
	}
	line, err := json.Marshal(map[string]json.RawMessage{"put": raw})
	if err != nil {
		return nil, err
	}
	lines := [][]byte{line}
	if _, err := upgrade(format, lines); err != nil {
		return nil, err
	}
	var r struct {
		Put json.RawMessage `json:"put"`
	}
	err = json.Unmarshal(lines[0], &r)
	return r.Put, err
}

// snapshotFormat is the format of a snapshot that could be read.
func snapshotFormat(data []byte) int {
	head, _, _ := bytes.Cut(data, []byte{'\n'})
	var h snapshotHeader
	if json.Unmarshal(head, &h) != nil {
		return 0
	}
	return h.Format
}

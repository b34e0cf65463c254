package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"

	"github.com/mailform/mailform/engine/lines"
	"github.com/mailform/mailform/engine/seal"
)

// A journal is a header and records, each as a line of length, checksum and
// JSON: a line that a crash has cut off is told from one that was damaged.
type journalHeader struct {
	Format  int    `json:"mailform_journal"`
	Lineage string `json:"lineage"`
}

// frame makes a line of a journal.
func frame(dst *bytes.Buffer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	frameBody(dst, body)
	return nil
}

func frameBody(dst *bytes.Buffer, body []byte) {
	fmt.Fprintf(dst, "%d %08x ", len(body), crc32.Checksum(body, castagnoli))
	dst.Write(body)
	dst.WriteByte('\n')
}

// unframe is the JSON of a journal line, which has lost its line end already.
func unframe(line []byte) ([]byte, error) {
	size, rest, ok := bytes.Cut(line, []byte{' '})
	sum, body, ok2 := bytes.Cut(rest, []byte{' '})
	if !ok || !ok2 {
		return nil, errors.New("no length and checksum")
	}
	if n, err := strconv.Atoi(string(size)); err != nil || n != len(body) {
		return nil, fmt.Errorf("%d bytes where %.20q were written", len(body), size)
	}
	if want := fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli)); want != string(sum) {
		return nil, errors.New("the checksum does not match")
	}
	return body, nil
}

// A journal as it was read.
type journal struct {
	lineage string // empty: there is none, or only a torn header
	records []loaded
	// size is the length of the whole lines; what follows was cut off.
	size int64
	// stale: some of it is of an earlier format, or not sealed as it would be now.
	stale bool
}

func readJournal(keys *seal.Keyring, path string) (*journal, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return &journal{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state journal: %w", err)
	}
	data, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read state journal: %w", err)
	}
	return decodeJournal(keys, path, data)
}

func decodeJournal(keys *seal.Keyring, path string, data []byte) (*journal, error) {
	// A write that a crash cut off has no line end: it was not acknowledged.
	end := bytes.LastIndexByte(data, '\n') + 1
	if end == 0 {
		return &journal{}, nil
	}
	lines := bytes.Split(data[:end-1], []byte{'\n'})
	for i, line := range lines {
		body, err := unframe(line)
		if err != nil {
			return nil, &DamageError{path, i + 1, err.Error()}
		}
		lines[i] = body
	}
	var h journalHeader
	if err := json.Unmarshal(lines[0], &h); err != nil || h.Format < 1 || h.Lineage == "" {
		return nil, &DamageError{path, 1, "this is no mailform state journal"}
	}
	if h.Format > formatVersion() {
		return nil, &VersionError{path, h.Format}
	}
	j := &journal{lineage: h.Lineage, size: int64(end), stale: h.Format < formatVersion()}
	opened, origin, err := j.open(keys, path, lines[1:])
	if err != nil {
		return nil, err
	}
	if bad, err := upgrade(h.Format, opened); err != nil {
		return nil, &DamageError{path, origin[bad].line, err.Error()}
	}
	records, bad, err := decodeLines(opened)
	if err != nil {
		return nil, &DamageError{path, origin[bad].line, err.Error()}
	}
	for i, r := range records {
		if o := origin[i]; o.serial != 0 && r.serial != o.serial {
			return nil, &DamageError{path, o.line, fmt.Sprintf("write %d stands where write %d was encrypted", r.serial, o.serial)}
		}
		if i == 0 {
			continue
		}
		if was := records[i-1].serial; r.serial != was && r.serial != was+1 {
			return nil, &DamageError{path, origin[i].line, fmt.Sprintf("write %d follows write %d", r.serial, was)}
		}
	}
	j.records = records
	return j, nil
}

// An origin says where a record stood.
type origin struct {
	line   int    // of the journal
	serial uint64 // that it was sealed for; 0: it was not
}

// open takes the records out of the lines of a journal: one in each, or all of a
// write in one that is sealed.
func (j *journal) open(keys *seal.Keyring, path string, lines [][]byte) (opened [][]byte, from []origin, err error) {
	opened, from = make([][]byte, 0, len(lines)), make([]origin, 0, len(lines))
	var last uint64
	for i, line := range lines {
		at := origin{line: i + 2}
		plain, place, current, err := keys.Open(line)
		if err != nil {
			return nil, nil, sealError(path, err)
		}
		j.stale = j.stale || !current
		if !seal.Sealed(line) {
			opened, from = append(opened, plain), append(from, at)
			continue
		}
		if place.What != seal.Write || place.Lineage != j.lineage {
			return nil, nil, &DamageError{path, at.line, "it was encrypted for another place"}
		}
		if place.Serial <= last {
			return nil, nil, &DamageError{path, at.line, fmt.Sprintf("write %d follows write %d", place.Serial, last)}
		}
		at.serial, last = place.Serial, place.Serial
		for _, record := range bytes.Split(bytes.TrimSuffix(plain, []byte{'\n'}), []byte{'\n'}) {
			opened, from = append(opened, record), append(from, at)
		}
	}
	return opened, from, nil
}

// frames makes the lines of a journal for one write: one for each entry, or one
// for all where they are sealed.
func frames(dst *bytes.Buffer, keys *seal.Keyring, lineage string, serial uint64, entries []Entry) error {
	if keys.Seals() {
		sealed, err := sealWrite(keys, lineage, serial, entries)
		if err != nil {
			return err
		}
		frameBody(dst, sealed)
		return nil
	}
	if len(entries) == 1 {
		line, err := entries[0].append(nil, serial)
		if err == nil {
			frameBody(dst, line)
		}
		return err
	}
	return lines.Write(len(entries), func(line []byte, i int) ([]byte, error) { return frameEntry(line, &entries[i], serial) },
		func(some []byte) error { dst.Write(some); return nil })
}

// frameHead is more than the length and the checksum of a line take.
const frameHead = 32

// frameEntry writes the line of an entry to the end of dst.
func frameEntry(dst []byte, e *Entry, serial uint64) ([]byte, error) {
	var head [frameHead]byte
	start := len(dst)
	dst, err := e.append(append(dst, head[:]...), serial)
	if err != nil {
		return dst[:start], err
	}
	body := dst[start+frameHead:]
	h := fmt.Appendf(head[:0], "%d %08x ", len(body), crc32.Checksum(body, castagnoli))
	copy(dst[start:], h)
	return append(dst[:start+len(h)], append(body, '\n')...), nil
}

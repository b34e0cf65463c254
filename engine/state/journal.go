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
	fmt.Fprintf(dst, "%d %08x ", len(body), crc32.Checksum(body, castagnoli))
	dst.Write(body)
	dst.WriteByte('\n')
	return nil
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
}

func readJournal(path string) (*journal, error) {
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
	return decodeJournal(path, data)
}

func decodeJournal(path string, data []byte) (*journal, error) {
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
	if h.Format > formatVersion {
		return nil, &VersionError{path, h.Format}
	}
	records, bad, err := decodeLines(lines[1:])
	if err != nil {
		return nil, &DamageError{path, bad + 2, err.Error()}
	}
	for i := 1; i < len(records); i++ {
		if was, is := records[i-1].serial, records[i].serial; is != was && is != was+1 {
			return nil, &DamageError{path, i + 2, fmt.Sprintf("write %d follows write %d", is, was)}
		}
	}
	return &journal{lineage: h.Lineage, records: records, size: int64(end)}, nil
}

package state

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/mailform/mailform/engine/lines"
	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/schema"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A snapshot is a line of JSON for its header, one for each resource, one for
// the outputs and one each for the last and for the open apply, and a last line with the checksum of all before it.
type snapshotHeader struct {
	Format  int    `json:"mailform_state"`
	Lineage string `json:"lineage"`
	// Serial of the last write that the snapshot holds.
	Serial uint64 `json:"serial"`
}

type snapshotTrailer struct {
	Lines  int    `json:"lines"`
	CRC32C string `json:"crc32c"`
}

// A VersionError says that a file was written by a later version of mailform.
type VersionError struct {
	Path   string
	Format int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("state file %s has format %d, which is later than this version of mailform can read (%d). Use that version, or a copy of the state from before it", e.Path, e.Format, formatVersion())
}

// writeSnapshot replaces the file at path. A crash leaves the old file or the
// new one, whole; beside it perhaps a path.tmp, which the next one overwrites.
func writeSnapshot(fs files, keys *seal.Keyring, path string, s *State) error {
	tmp := path + ".tmp"
	f, err := fs.open(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err = encodeSealed(keys, f, s); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write state: %w", errors.Join(err, fs.remove(tmp)))
	}
	if err := fs.rename(tmp, path); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := fs.syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// encodeSealed writes a snapshot, sealed where there are keys.
func encodeSealed(keys *seal.Keyring, w io.Writer, s *State) error {
	if !keys.Seals() {
		return encodeSnapshot(w, s)
	}
	var plain bytes.Buffer
	if err := encodeSnapshot(&plain, s); err != nil {
		return err
	}
	sealed, err := sealState(keys, s, plain.Bytes())
	if err != nil {
		return err
	}
	_, err = w.Write(sealed)
	return err
}

func encodeSnapshot(w io.Writer, s *State) error {
	sum := &summer{w: bufio.NewWriterSize(w, 1<<16), crc: crc32.New(castagnoli)}
	if err := sum.line(snapshotHeader{formatVersion(), s.Lineage, s.Serial}); err != nil {
		return err
	}
	ids := s.IDs()
	err := lines.Write(len(ids), func(line []byte, i int) ([]byte, error) {
		line, err := appendPut(line, 0, s.Resources[ids[i]])
		return append(line, '\n'), err
	}, sum.write)
	if err != nil {
		return err
	}
	sum.lines += len(ids)
	if len(s.Outputs) > 0 {
		if err := sum.line(record{Outputs: s.Outputs}); err != nil {
			return err
		}
	}
	for i, a := range []*Applied{s.Last, s.Open} {
		if a == nil {
			continue
		}
		r, err := a.record(i == 1)
		if err != nil {
			return err
		}
		if err := sum.line(record{Applied: r}); err != nil {
			return err
		}
	}
	if err := sum.line(snapshotTrailer{sum.lines, fmt.Sprintf("%08x", sum.crc.Sum32())}); err != nil {
		return err
	}
	return sum.w.Flush()
}

// A summer writes lines and sums them up.
type summer struct {
	w     *bufio.Writer
	crc   hash.Hash32
	lines int
}

func (s *summer) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.lines++
	return s.write(append(b, '\n'))
}

func (s *summer) write(b []byte) error {
	s.crc.Write(b)
	_, err := s.w.Write(b)
	return err
}

// readSnapshot reads a snapshot; ok is false where there is no file, and current
// where it would be sealed otherwise now.
func readSnapshot(keys *seal.Keyring, path string) (s *State, ok, current bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, true, nil
	}
	if err != nil {
		return nil, false, false, fmt.Errorf("read state: %w", err)
	}
	s, current, err = decodeSealed(keys, path, data)
	return s, err == nil, current, err
}

// decodeSealed reads what encodeSealed has written.
func decodeSealed(keys *seal.Keyring, path string, data []byte) (s *State, current bool, err error) {
	if len(data) == 0 {
		return nil, false, &DamageError{path, 0, "it is empty"}
	}
	plain, at, current, err := openState(keys, path, data)
	if err != nil {
		return nil, false, err
	}
	if s, err = decodeSnapshot(path, plain); err != nil {
		return nil, false, err
	}
	return s, current && snapshotFormat(plain) == formatVersion(), at.check(path, s)
}

func decodeSnapshot(path string, data []byte) (*State, error) {
	damage := func(line int, format string, args ...any) (*State, error) {
		return nil, &DamageError{path, line, fmt.Sprintf(format, args...)}
	}
	if len(data) == 0 {
		return damage(0, "it is empty")
	}
	head, _, _ := bytes.Cut(data, []byte{'\n'})
	var h snapshotHeader
	if err := json.Unmarshal(head, &h); err != nil || h.Format < 1 {
		return damage(1, "this is no mailform state")
	}
	if h.Format > formatVersion() {
		return nil, &VersionError{path, h.Format}
	}
	if data[len(data)-1] != '\n' {
		return damage(0, "its end is missing")
	}
	data = data[:len(data)-1]
	end := bytes.LastIndexByte(data, '\n') + 1
	var t snapshotTrailer
	if err := json.Unmarshal(data[end:], &t); err != nil || t.CRC32C == "" {
		return damage(0, "its end is missing")
	}
	if sum := fmt.Sprintf("%08x", crc32.Checksum(data[:end], castagnoli)); sum != t.CRC32C {
		return damage(0, "the checksum does not match")
	}
	if end == 0 || h.Lineage == "" {
		return damage(1, "the lineage is missing")
	}
	lines := bytes.Split(data[:end-1], []byte{'\n'})
	if len(lines) != t.Lines {
		return damage(0, "it has %d lines where %d were written", len(lines), t.Lines)
	}
	s := &State{Lineage: h.Lineage, Serial: h.Serial, Resources: make(map[schema.ID]*Resource, len(lines))}
	if bad, err := upgrade(h.Format, lines[1:]); err != nil {
		return damage(bad+2, "%v", err)
	}
	records, bad, err := decodeLines(lines[1:])
	if err != nil {
		return damage(bad+2, "%v", err)
	}
	for _, r := range records {
		s.apply(r)
	}
	return s, nil
}

// decodeLines decodes all lines, on as many processors as there are. For an
// error it tells the first line that has one.
func decodeLines(lines [][]byte) (records []loaded, bad int, err error) {
	records = make([]loaded, len(lines))
	const least = 512 // lines that are worth a goroutine
	workers := min(runtime.GOMAXPROCS(0), len(lines)/least+1)
	errs := make([]error, workers)
	bads := make([]int, workers)
	var wg sync.WaitGroup
	for w := range workers {
		from, to := w*len(lines)/workers, (w+1)*len(lines)/workers
		wg.Go(func() {
			var d decoder
			for i := from; i < to; i++ {
				r, err := d.record(lines[i])
				if err != nil {
					errs[w], bads[w] = err, i
					return
				}
				records[i] = r
			}
		})
	}
	wg.Wait()
	for w, err := range errs {
		if err != nil {
			return nil, bads[w], err
		}
	}
	return records, 0, nil
}

// apply brings a record into the state.
func (s *State) apply(r loaded) {
	s.remember(r)
	switch {
	case r.put != nil:
		s.Resources[r.put.ID] = r.put
	case r.del != nil:
		delete(s.Resources, *r.del)
	case r.outputs != nil:
		s.Outputs = r.outputs
	case r.begin != nil:
		s.begin(r.begin)
	case r.end:
		s.end()
	case r.last != nil:
		s.Last = r.last
	case r.open != nil:
		s.Open = r.open
	}
}

// IDs are the identities of all resources, sorted.
func (s *State) IDs() []schema.ID {
	ids := make([]schema.ID, 0, len(s.Resources))
	for id := range s.Resources {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, schema.ID.Compare)
	return ids
}

// Sorted are all resources in the order of their addresses.
func (s *State) Sorted() []*Resource {
	out := make([]*Resource, 0, len(s.Resources))
	for _, id := range s.IDs() {
		out = append(out, s.Resources[id])
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Address < out[j].Address })
	return out
}

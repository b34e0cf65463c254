package state

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/mailform/mailform/engine/lines"
	"github.com/mailform/mailform/engine/seal"
)

// EncodeState is a whole state as a backend keeps it that can only keep a whole:
// a document, sealed where there are keys.
func EncodeState(keys *seal.Keyring, s *State) ([]byte, error) {
	var buf bytes.Buffer
	if err := WriteDocument(&buf, s); err != nil {
		return nil, err
	}
	return sealState(keys, s, buf.Bytes())
}

// DecodeState reads what EncodeState has written; name says in errors where it
// comes from. Current is false where it is of an
// earlier format, or would be sealed otherwise now. Errors
// that can be tested for: *DamageError, *VersionError, *SealError.
func DecodeState(keys *seal.Keyring, name string, data []byte) (s *State, current bool, err error) {
	plain, at, current, err := openState(keys, name, data)
	if err != nil {
		return nil, false, err
	}
	s, format, err := readDocument(name, plain)
	if err != nil {
		return nil, false, err
	}
	return s, current && format == formatVersion(), at.check(name, s)
}

// EncodeWrite is one write to a journal as a backend keeps it in a piece of its
// own: a journal of that write alone.
func EncodeWrite(keys *seal.Keyring, lineage string, serial uint64, entries []Entry) ([]byte, error) {
	var buf bytes.Buffer
	if err := frame(&buf, journalHeader{formatVersion(), lineage}); err != nil {
		return nil, err
	}
	if err := frames(&buf, keys, lineage, serial, entries); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// DecodeWrite reads what EncodeWrite has written for that lineage and serial.
func DecodeWrite(keys *seal.Keyring, name, lineage string, serial uint64, data []byte) (entries []Entry, current bool, err error) {
	j, err := decodeJournal(keys, name, data)
	if err != nil {
		return nil, false, err
	}
	if j.lineage != lineage || j.size != int64(len(data)) {
		return nil, false, &DamageError{name, 0, "its end is missing, or it belongs to another state"}
	}
	for _, r := range j.records {
		if r.serial != serial {
			return nil, false, &DamageError{name, 0, fmt.Sprintf("it holds write %d where write %d is meant", r.serial, serial)}
		}
		e, err := r.entry()
		if err != nil {
			return nil, false, &DamageError{name, 0, err.Error()}
		}
		entries = append(entries, e)
	}
	return entries, !j.stale, nil
}

// entry is a record of a journal as the one who wrote it knew it.
func (r loaded) entry() (Entry, error) {
	if r.last != nil || r.open != nil {
		return Entry{}, errors.New("an entry that only a snapshot can have")
	}
	return Entry{Put: r.put, Delete: r.del, Outputs: r.outputs, Begin: r.begin, End: r.end}, nil
}

// EncodeEntries makes the rows of one write to a journal that has a row for each
// entry; sealed, it is a single row.
func EncodeEntries(keys *seal.Keyring, lineage string, serial uint64, entries []Entry) ([][]byte, error) {
	if keys.Seals() && len(entries) > 0 {
		sealed, err := sealWrite(keys, lineage, serial, entries)
		return [][]byte{sealed}, err
	}
	rows := make([][]byte, len(entries))
	for i, e := range entries {
		var err error
		if rows[i], err = EncodeEntry(e); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// DecodeEntries reads a row of EncodeEntries. The error can be a *SealError.
func DecodeEntries(keys *seal.Keyring, name, lineage string, serial uint64, row []byte) (entries []Entry, current bool, err error) {
	plain, at, current, err := keys.Open(row)
	if err != nil {
		return nil, false, sealError(name, err)
	}
	lines := [][]byte{plain}
	if seal.Sealed(row) {
		if want := (seal.Place{What: seal.Write, Lineage: lineage, Serial: serial}); at != want {
			return nil, false, errors.New("it was encrypted for another place")
		}
		lines = bytes.Split(bytes.TrimSuffix(plain, []byte{'\n'}), []byte{'\n'})
	}
	records, _, err := decodeLines(lines)
	if err != nil {
		return nil, false, err
	}
	for _, r := range records {
		if seal.Sealed(row) && r.serial != serial {
			return nil, false, fmt.Errorf("write %d stands where write %d was encrypted", r.serial, serial)
		}
		e, err := r.entry()
		if err != nil {
			return nil, false, err
		}
		entries = append(entries, e)
	}
	return entries, current, nil
}

// sealWrite seals the entries of a write together, so that none of them can be
// taken out.
func sealWrite(keys *seal.Keyring, lineage string, serial uint64, entries []Entry) ([]byte, error) {
	var buf bytes.Buffer
	err := lines.Write(len(entries), func(line []byte, i int) ([]byte, error) {
		line, err := entries[i].append(line, serial)
		return append(line, '\n'), err
	}, func(some []byte) error { buf.Write(some); return nil })
	if err != nil {
		return nil, err
	}
	return keys.Seal(seal.Place{What: seal.Write, Lineage: lineage, Serial: serial}, buf.Bytes())
}

// sealState seals a whole state that is encoded already.
func sealState(keys *seal.Keyring, s *State, encoded []byte) ([]byte, error) {
	if !keys.Seals() {
		return encoded, nil
	}
	sealed, err := keys.Seal(seal.Place{What: seal.State, Lineage: s.Lineage, Serial: s.Serial}, encoded)
	return append(sealed, '\n'), err
}

// A sealedPlace is where a state was sealed for; nil: it was not sealed.
type sealedPlace struct{ at *seal.Place }

func openState(keys *seal.Keyring, name string, data []byte) (plain []byte, at sealedPlace, current bool, err error) {
	plain, place, current, err := keys.Open(data)
	if err != nil {
		return nil, at, false, sealError(name, err)
	}
	if !seal.Sealed(data) {
		return plain, at, current, nil
	}
	if place.What != seal.State {
		return nil, at, false, &DamageError{name, 0, "it is encrypted, and is no state"}
	}
	return plain, sealedPlace{&place}, current, nil
}

// check holds a state to the place that it was sealed for.
func (p sealedPlace) check(name string, s *State) error {
	if p.at != nil && (p.at.Lineage != s.Lineage || p.at.Serial != s.Serial) {
		return &DamageError{name, 0, "it was encrypted for another place"}
	}
	return nil
}

// A SealError says that a state could not be decrypted, or should have been
// encrypted. It wraps an error of the package seal.
type SealError struct {
	Path string
	Err  error
}

func (e *SealError) Error() string {
	return fmt.Sprintf("the state %s cannot be read: %v", e.Path, e.Err)
}

func (e *SealError) Unwrap() error { return e.Err }

// sealError is the error for what could not be opened.
func sealError(path string, err error) error {
	if errors.Is(err, seal.ErrDamaged) {
		return &DamageError{path, 0, err.Error()}
	}
	return &SealError{path, err}
}

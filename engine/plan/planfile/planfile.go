package planfile

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mailform/mailform/engine/plan"
)

// Meta says what a plan was made by and from. Lineage, serial, mode and targets
// are the plan's own.
type Meta struct {
	Mailform string `json:"mailform"` // version of mailform
	// Vars are the values of -var arguments that are not sensitive, by name.
	Vars map[string]string `json:"vars,omitempty"`
	// SensitiveVars are the names of the others.
	SensitiveVars []string `json:"sensitive_vars,omitempty"`
	// VarFiles are the -var-file arguments.
	VarFiles []string `json:"var_files,omitempty"`
	// Config are the configuration files without secrets, by their paths below the
	// configuration's directory; a part of its own.
	Config map[string]string `json:"-"`
}

// ErrDamaged is the error for what is no plan file, or no longer one.
var ErrDamaged = errors.New("not a mailform plan file, or damaged")

// ErrVersion is the error for a plan file of a later format.
var ErrVersion = errors.New("made by a later version of mailform")

const (
	format = 1

	metaName     = "meta.json"
	planName     = "plan.json"
	configName   = "config.json"
	checksumName = "sha256"
)

// limits bound what Read takes into memory, in bytes.
type limits struct{ file, part int64 }

// A plan of 100,000 mailboxes comes to about 60 MB of JSON and 5 MB of zip.
var defaultLimits = limits{file: 128 << 20, part: 512 << 20}

// epoch is the time stamp of all parts: the first that zip knows.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

type metaFile struct {
	Format int `json:"mailform_plan"`
	Meta
}

// Save writes a plan. Equal plans make equal bytes.
func Save(w io.Writer, p *plan.Plan, m Meta) error {
	meta, err := json.Marshal(metaFile{format, m})
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	encoded, err := encodePlan(p)
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	body, err := json.Marshal(encoded)
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	files, err := json.Marshal(m.Config)
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestSpeed)
	})
	for _, part := range []struct {
		name string
		data []byte
	}{{metaName, meta}, {planName, body}, {configName, files}, {checksumName, checksum(meta, body, files)}} {
		f, err := z.CreateHeader(&zip.FileHeader{Name: part.name, Method: zip.Deflate, Modified: epoch})
		if err != nil {
			return fmt.Errorf("save plan: %w", err)
		}
		if _, err := f.Write(part.data); err != nil {
			return fmt.Errorf("save plan: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	return nil
}

// checksum is over all parts, each with its length.
func checksum(parts ...[]byte) []byte {
	h := sha256.New()
	fmt.Fprint(h, "mailform plan\x00")
	for _, p := range parts {
		fmt.Fprintf(h, "%d\x00", len(p))
	}
	for _, p := range parts {
		h.Write(p)
	}
	return []byte(hex.EncodeToString(h.Sum(nil)) + "\n")
}

// Read reads a plan that Save wrote. Errors that can be tested for: ErrDamaged,
// ErrVersion.
//
// The changes have no Wanted resources, and what they Observed has no
// attributes.
func Read(r io.Reader) (*plan.Plan, Meta, error) { return read(r, defaultLimits) }

func read(r io.Reader, lim limits) (*plan.Plan, Meta, error) {
	data, err := io.ReadAll(io.LimitReader(r, lim.file+1))
	if err != nil {
		return nil, Meta{}, err
	}
	if int64(len(data)) > lim.file {
		return nil, Meta{}, fmt.Errorf("%w: it is larger than %d bytes", ErrDamaged, lim.file)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, Meta{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	rawMeta, err := part(z, metaName, lim.part)
	if err != nil {
		return nil, Meta{}, err
	}
	var meta metaFile
	if err := json.Unmarshal(rawMeta, &meta); err != nil || meta.Format < 1 {
		return nil, Meta{}, fmt.Errorf("%w: %s says nothing", ErrDamaged, metaName)
	}
	if meta.Format > format {
		return nil, Meta{}, fmt.Errorf("%w (%s, plan format %d; this version reads up to %d)", ErrVersion, meta.Mailform, meta.Format, format)
	}
	body, err := part(z, planName, lim.part)
	if err != nil {
		return nil, Meta{}, err
	}
	sum, err := part(z, checksumName, lim.part)
	if err != nil {
		return nil, Meta{}, err
	}
	files, err := part(z, configName, lim.part)
	if err != nil {
		return nil, Meta{}, err
	}
	if !bytes.Equal(sum, checksum(rawMeta, body, files)) {
		return nil, Meta{}, fmt.Errorf("%w: the checksum does not match", ErrDamaged)
	}
	if err := json.Unmarshal(files, &meta.Config); err != nil {
		return nil, Meta{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	var encoded planFile
	if err := json.Unmarshal(body, &encoded); err != nil {
		return nil, Meta{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	p, err := encoded.decode()
	if err != nil {
		return nil, Meta{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return p, meta.Meta, nil
}

// part reads one file of the archive, up to a limit that a small file which
// unpacks to a huge one runs into.
func part(z *zip.Reader, name string, limit int64) ([]byte, error) {
	for _, f := range z.File {
		if f.Name != name {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
		}
		data, err := io.ReadAll(io.LimitReader(r, limit+1))
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
		}
		if int64(len(data)) > limit {
			return nil, fmt.Errorf("%w: %s unpacks to more than %d bytes", ErrDamaged, name, limit)
		}
		return data, nil
	}
	return nil, fmt.Errorf("%w: %s is missing", ErrDamaged, name)
}

package zonefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/masterfile"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// A file is that of one zone, as it was read.
type file struct {
	path string // links followed
	name rdata.Name
	data []byte // nil: there is no file
	// zone is what the file says; nil where there is none.
	zone *zonedata.Zone
	// pending is set where the name server has yet to read the file.
	pending *pending
}

// none stands for the checksum of a file that is not there.
const none = "none"

func checksum(data []byte) string {
	if data == nil {
		return none
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// path is where the file of a zone lies.
func (p *Provider) path(zone rdata.Name) string {
	return filepath.Join(p.folder, filepath.FromSlash(strings.Replace(p.file, schema.ZonePlaceholder, encode(zone), 1)))
}

// longest bounds the part of a file name that is a zone's: a file name has at
// most 255 bytes, with what stands before and after.
const longest = 200

// encode is the name of a zone as a part of a file name. Two names make two: of a
// very long one the file name has the beginning, and a checksum.
func encode(zone rdata.Name) string {
	if zone == rdata.Root {
		return "%2E"
	}
	var b strings.Builder
	for _, c := range []byte(zone.Host()) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() > longest {
		return b.String()[:longest-33] + "~" + checksum([]byte(zone))[:32]
	}
	return b.String()
}

// list finds the zones that have files.
func (p *Provider) list() ([]rdata.Name, error) {
	before, after, _ := strings.Cut(p.file, schema.ZonePlaceholder)
	paths, err := fs.Glob(os.DirFS(p.folder), globbed.Replace(before)+"*"+globbed.Replace(after))
	if err != nil {
		return nil, err
	}
	var zones []rdata.Name
	for _, path := range paths {
		name := path[len(before) : len(path)-len(after)]
		if host, err := url.PathUnescape(name); err == nil {
			if zone, err := rdata.ParseName(host); err == nil && encode(zone) == name {
				zones = append(zones, zone)
				continue
			}
		}
		if !strings.Contains(name, "~") {
			continue // no zone of ours is called that
		}
		data, err := contents(filepath.Join(p.folder, filepath.FromSlash(path)))
		if err != nil {
			return nil, err
		}
		if zone, ok := zoneOf(data); ok && encode(zone) == name {
			zones = append(zones, zone)
		}
	}
	return zones, nil
}

// globbed writes a path as a pattern that it alone matches.
var globbed = strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`)

// open reads the file of a zone.
func (p *Provider) open(zone rdata.Name) (*file, error) {
	f := &file{path: p.path(zone), name: zone}
	if real, err := filepath.EvalSymlinks(f.path); err == nil {
		f.path = real
	}
	var err error
	if f.data, err = contents(f.path); err != nil {
		return nil, err
	}
	if f.zone, err = p.parse(f.data, zone); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	if len(p.reload) == 0 {
		return f, nil
	}
	if f.pending, err = p.readPending(f); err != nil {
		return nil, err
	}
	return f, nil
}

// contents are the bytes of a file; nil where there is none.
func contents(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err // it names the path
	case data == nil:
		return []byte{}, nil
	}
	return data, nil
}

// parse reads a zone out of the bytes of a file; nil where there are none.
func (p *Provider) parse(data []byte, zone rdata.Name) (*zonedata.Zone, error) {
	if data == nil {
		return nil, nil
	}
	root, err := os.OpenRoot(p.folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	rrs, err := masterfile.Records(bytes.NewReader(data), zone, masterfile.Options{Include: root.FS()})
	if err != nil {
		return nil, err
	}
	for _, rr := range rrs {
		// A name can be written in several ways.
		if h := rr.Header(); strings.Contains(h.Name, `\`) {
			name, err := rdata.ParseName(h.Name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", h.Name, err)
			}
			h.Name = string(name)
		}
	}
	if isProvisional(data, zone) {
		rrs = slices.DeleteFunc(rrs, func(rr dns.RR) bool {
			return rr.Header().Rrtype == dns.TypeNS && dns.CanonicalName(rr.Header().Name) == string(zone)
		})
	}
	return zonedata.Read(zone, rrs, nil)
}

// signed is the error of a file whose signatures would not be true any more.
func (f *file) signed() error {
	return fmt.Errorf("%s holds signatures (RRSIG records), which a change would break. Keep the zone unsigned here, and have the name server sign it, or a program that the reload command calls, into another file", f.path)
}

// backup is what is added to the name of a file that others have written, for
// the copy that is kept when mailform writes it first.
const backup = ".before-mailform"

// put makes the file what it is to be, if it is still as it was read; nil takes it
// away.
func (f *file) put(data []byte, mode fs.FileMode) error {
	now, err := contents(f.path)
	if err != nil {
		return err
	}
	if checksum(now) != checksum(f.data) {
		return fmt.Errorf("%w: somebody else has just written %s", providers.ErrConflict, f.path)
	}
	if f.data != nil && !isOurs(f.data) {
		if err := keep(f.path+backup, f.data, mode); err != nil {
			return err
		}
	}
	if data == nil {
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return syncFolder(filepath.Dir(f.path))
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	return writeFile(f.path, data, mode)
}

// keep writes a copy, unless there is one already.
func keep(path string, data []byte, mode fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	return writeFile(path, data, mode)
}

// writeFile writes a file as a whole: durable first, then in its place. What a
// killed run has left of its own is overwritten.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	folder, base := filepath.Split(path)
	beside := filepath.Join(folder, "."+base+".new")
	out, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	if err == nil {
		err = out.Chmod(mode)
	}
	if err == nil {
		err = keepOwner(out, path)
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(beside))
	}
	return syncFolder(folder)
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package masterfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// Limits of what is read.
const (
	maxBytes   = 256 << 20 // of all files together
	maxRecords = 2_000_000
	maxFiles   = 10_000
	// maxDirectives bounds how many lines that begin with a dollar sign there can
	// be without a record among them: the parser goes deeper with each that makes
	// none.
	maxDirectives = 10_000
)

// Options of [Read].
type Options struct {
	// Include is where $INCLUDE finds files; nil: nowhere. A path that begins with
	// a slash begins there, as for a name server in a chroot.
	Include fs.FS
}

// Read reads the master file of a zone. Errors name the line. The error is an
// ErrTooLarge for what is beyond all measure.
func Read(r io.Reader, zone rdata.Name, opts Options) (*Zone, error) {
	b := newBuilder(zone)
	if err := scan(r, zone, opts, b.add); err != nil {
		return nil, err
	}
	return b.zone()
}

// Records reads the records of a master file as they are, for those who keep what
// the language cannot hold. Its errors are those of [Read]; a file may have no
// records.
func Records(r io.Reader, zone rdata.Name, opts Options) ([]dns.RR, error) {
	var rrs []dns.RR
	err := scan(r, zone, opts, func(rr dns.RR, _ place) error {
		if len(rrs) == maxRecords {
			return fmt.Errorf("%w: it has more than %d records", ErrTooLarge, maxRecords)
		}
		rrs = append(rrs, rr)
		return nil
	})
	return rrs, err
}

// scan hands on the records of a master file, each with the place where it
// stands.
func scan(r io.Reader, zone rdata.Name, opts Options, add func(dns.RR, place) error) error {
	file := &rereadable{r: r, keep: true}
	rr, at, err := first(file, zone, opts)
	if err != nil || rr == nil {
		return err
	}
	in := &input{dir: opts.Include}
	if rr.Header().Ttl == noTTL {
		// Where neither $TTL nor the SOA record, which comes first, says how long
		// records live, it is the time that the SOA record has for negative answers. That
		// is what it was for before RFC 2308 §4, and what BIND still takes.
		soa, ok := rr.(*dns.SOA)
		if !ok {
			return fmt.Errorf("line %d: %s %s has no time to live, and there is none before it: begin with $TTL", at.line, rr.Header().Name, dns.Type(rr.Header().Rrtype))
		}
		in.before = fmt.Sprintf("$TTL %d\n", min(soa.Minttl, schema.MaxTTL))
	}
	return in.parse(in.parser(file.again(), zone), add)
}

// noTTL is no time to live: longer than any.
const noTTL = math.MaxUint32

// first reads the first record, whose time to live is noTTL where nothing says what it
// is. The record is nil where there is none.
func first(r io.Reader, zone rdata.Name, opts Options) (rr dns.RR, at place, err error) {
	in := &input{dir: opts.Include}
	zp := in.parser(r, zone)
	zp.SetDefaultTTL(noTTL)
	enough := errors.New("the first record is there")
	err = in.parse(zp, func(it dns.RR, where place) error {
		rr, at = it, where
		return enough
	})
	if rr != nil {
		err = nil
	}
	return rr, at, err
}

// A rereadable keeps the beginning of what is read, so that it can be read again.
type rereadable struct {
	r     io.Reader
	keep  bool
	begin []byte
}

func (f *rereadable) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.keep {
		f.begin = append(f.begin, p[:n]...)
	}
	return n, err
}

// again begins anew; what comes now is not kept.
func (f *rereadable) again() io.Reader {
	f.keep = false
	return io.MultiReader(bytes.NewReader(f.begin), f.r)
}

// An input is a master file with those that it includes. It is the file system
// that the parser sees.
type input struct {
	dir fs.FS
	// before is a line that is read before the file's first.
	before string
	// stack are the files that are being read, the innermost last.
	stack []*counted
	size  int // bytes read so far
	files int
	// directives are those since the last record.
	directives int
	failed     error
}

// parser makes a parser of a master file.
func (in *input) parser(r io.Reader, zone rdata.Name) *dns.ZoneParser {
	file := in.open("", io.MultiReader(strings.NewReader(in.before), r))
	file.line -= strings.Count(in.before, "\n")
	zp := dns.NewZoneParser(file, string(zone), "")
	zp.SetIncludeAllowed(in.dir != nil)
	zp.SetIncludeFS(in)
	return zp
}

// parse hands on the records of a master file until there is an error.
func (in *input) parse(zp *dns.ZoneParser, add func(dns.RR, place) error) error {
	defer in.close()
	for {
		rr, ok := zp.Next()
		if !ok {
			break
		}
		in.directives = 0
		if err := add(rr, in.place()); err != nil {
			return err
		}
	}
	if in.failed != nil {
		return in.failed
	}
	if err := zp.Err(); err != nil {
		return in.parseError(err)
	}
	return nil
}

// Open implements fs.FS for the parser, which closes what it is done with.
func (in *input) Open(name string) (fs.File, error) {
	if in.files++; in.files > maxFiles {
		return nil, in.fail(fmt.Errorf("%w: it includes more than %d files", ErrTooLarge, maxFiles))
	}
	f, err := in.dir.Open(name)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err // the parser says which file
		}
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.New("it is not a regular file")
	}
	c := in.open(name, f)
	c.file = f
	return &included{counted: c, File: f}, nil
}

func (in *input) open(name string, r io.Reader) *counted {
	c := &counted{in: in, name: name, r: bufio.NewReader(r), line: 1, first: true}
	in.stack = append(in.stack, c)
	return c
}

// close closes what an error has left open.
func (in *input) close() {
	for _, c := range in.stack {
		if c.file != nil {
			c.file.Close()
		}
	}
	in.stack = nil
}

func (in *input) fail(err error) error {
	if in.failed == nil {
		in.failed = err
	}
	return err
}

// place is where the last record was read from.
func (in *input) place() place {
	c := in.stack[len(in.stack)-1]
	// The parser has read up to the end of the line, or to that of the file.
	return place{c.name, c.line - c.ended}
}

// A counted is a reader that the parser takes a byte at a time, so that the line
// of each record is known.
type counted struct {
	in    *input
	name  string // empty for the file itself
	r     *bufio.Reader
	file  fs.File // nil for the file itself
	line  int
	ended int // 1 where the last byte ended a line
	first bool
}

func (c *counted) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err != nil {
		return b, err
	}
	in := c.in
	if in.size++; in.size > maxBytes {
		return 0, in.fail(fmt.Errorf("%w: it has more than %d MiB", ErrTooLarge, maxBytes>>20))
	}
	if b == '$' && c.first {
		if in.directives++; in.directives > maxDirectives {
			return 0, in.fail(fmt.Errorf("%w: it has more than %d directives in a row", ErrTooLarge, maxDirectives))
		}
	}
	c.ended, c.first = 0, false
	if b == '\n' {
		c.line++
		c.ended, c.first = 1, true
	}
	return b, nil
}

func (c *counted) Read(p []byte) (int, error) {
	for i := range p {
		b, err := c.ReadByte()
		if err != nil {
			return i, err
		}
		p[i] = b
	}
	return len(p), nil
}

// An included is a file that another includes.
type included struct {
	*counted
	fs.File
}

func (f *included) Read(p []byte) (int, error) { return f.counted.Read(p) }

func (f *included) Close() error {
	if n := len(f.in.stack); n > 0 && f.in.stack[n-1] == f.counted {
		f.in.stack = f.in.stack[:n-1]
	}
	return f.File.Close()
}

// position is how the parser ends its errors.
var position = regexp.MustCompile(`^(?s)(.*?)(?:: )?dns: (.*) at line: (\d+):(\d+)$`)

// parseError words an error of the parser: line 3, column 5: …
func (in *input) parseError(err error) error {
	text := err.Error()
	if !strings.Contains(text, "dns: ") {
		return err
	}
	m := position.FindStringSubmatch(text)
	if m == nil {
		return err
	}
	file, what := m[1], strings.TrimSpace(m[2])
	if strings.Contains(what, "$INCLUDE directive not allowed") {
		what = "$INCLUDE is not followed here: put the records into one file"
	}
	line, _ := strconv.Atoi(m[3])
	if file != "" {
		file += ", "
	} else {
		line -= strings.Count(in.before, "\n")
	}
	return fmt.Errorf("%sline %d, column %s: %s", file, line, m[4], what)
}

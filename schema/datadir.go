package schema

import (
	"path"
	"path/filepath"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// farDir is where relative data directories on other machines start from.
const farDir = "/var/lib/mailform"

// A DataDir is where an embedded server keeps what it has.
type DataDir struct {
	// Host is the machine as its connection names it; empty: this one.
	Host string
	Path string // absolute
}

// Key names it among all: its path, with the machine before it where that is
// another one.
func (d DataDir) Key() string {
	if d.Host == "" {
		return d.Path
	}
	return d.Host + ":" + d.Path
}

// SplitDataDir takes a [DataDir.Key] apart.
func SplitDataDir(key string) (host, path string) {
	if i := strings.Index(key, ":/"); i > 0 && key[0] != '/' {
		return key[:i], key[i+1:]
	}
	return "", key
}

// EmbeddedDataDir is the data directory that the value of a provider block
// means, or the default one for no block; for a configuration in dir. Not ok: it
// is not known yet.
func EmbeddedDataDir(value cty.Value, dir string) (d DataDir, ok bool) {
	d.Path = embeddedProvider.Attribute("data_dir").Default.AsString()
	if value != cty.NilVal && !value.IsNull() && value.IsKnown() {
		if d.Path, ok = known(value, "data_dir", d.Path); !ok {
			return d, false
		}
		if c := nested(value, ConnectionBlock.Type); !c.IsNull() {
			typ, typed := known(c, "type", "ssh")
			host, named := known(c, "host", "")
			if !typed || !named {
				return d, false
			}
			if typ != "local" {
				d.Host = host
			}
		}
	}
	switch {
	case filepath.IsAbs(d.Path):
		d.Path = filepath.Clean(d.Path)
	case d.Host != "":
		d.Path = path.Join(farDir, d.Path)
	default:
		d.Path = filepath.Join(dir, d.Path)
	}
	return d, true
}

// nested is a block in a block; null where it is left out.
func nested(v cty.Value, name string) cty.Value {
	if !v.Type().HasAttribute(name) {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	n, _ := v.GetAttr(name).Unmark()
	return n
}

// known is a text in a block, or what stands for one that is left out.
func known(v cty.Value, name, otherwise string) (string, bool) {
	if !v.IsKnown() {
		return "", false
	}
	if !v.Type().HasAttribute(name) {
		return otherwise, true
	}
	a, _ := v.GetAttr(name).Unmark()
	switch {
	case !a.IsKnown():
		return "", false
	case a.IsNull():
		return otherwise, true
	}
	return a.AsString(), true
}

package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/zclconf/go-cty/cty"
)

// Format is the syntax of a file that SOPS has encrypted.
type Format int

// The formats.
const (
	YAML Format = iota
	JSON
)

// A File is one that SOPS has encrypted: its names stand in clear.
type File struct {
	values *tree // without the metadata
	meta   *tree
}

// metadata is the name under which SOPS writes down how it has encrypted.
const metadata = "sops"

// ErrNotSOPS is the error for a file that SOPS has not encrypted.
var ErrNotSOPS = errors.New("it is not encrypted by SOPS: it has no key \"sops\" with what SOPS writes down")

// SOPS reads a file without opening it. Errors: ErrNotSOPS, or one that says what
// is wrong with its syntax.
func SOPS(src []byte, format Format) (*File, error) {
	parse := parseYAML
	if format == JSON {
		parse = parseJSON
	}
	t, err := parse(src)
	if err != nil {
		return nil, err
	}
	f := &File{values: &tree{kind: object}}
	for i, name := range t.names {
		if name == metadata {
			f.meta = t.items[i]
			continue
		}
		f.values.names, f.values.items = append(f.values.names, name), append(f.values.items, t.items[i])
	}
	if f.meta.get("mac").text() == "" {
		return nil, ErrNotSOPS
	}
	return f, nil
}

// Names are the names of the values, in the order of the file.
func (f *File) Names() []string { return f.values.names }

// Open decrypts the values, and makes sure that they are those that were
// encrypted: all of them, in their order. Errors: ErrNoKey, ErrDamaged, or one
// that says what is not supported.
func (f *File) Open(ids []age.Identity) (map[string]cty.Value, error) {
	which, err := f.selection()
	if err != nil {
		return nil, err
	}
	key, err := f.dataKey(ids)
	if err != nil {
		return nil, err
	}
	o := &opening{selection: which, mac: sha512.New()}
	if o.aead, err = newAEAD(key); err != nil {
		return nil, ErrDamaged
	}
	if which.macOnlyEncrypted {
		start := sha256.Sum256([]byte("sops"))
		o.mac.Write(start[:])
	}
	plain, err := o.branch(f.values, nil)
	if err != nil {
		return nil, err
	}
	if err := f.checkMAC(o); err != nil {
		return nil, err
	}
	values := make(map[string]cty.Value, len(plain.items))
	for i, name := range plain.names {
		if values[name], err = plain.items[i].cty(); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// otherKeys are where SOPS can keep keys besides age.
var otherKeys = []string{"kms", "gcp_kms", "azure_kv", "hc_vault", "hckms", "pgp"}

// dataKey finds the key of the file, which is encrypted for each recipient.
func (f *File) dataKey(ids []age.Identity) ([]byte, error) {
	if len(f.meta.get("key_groups").itemsOf()) > 0 {
		return nil, errors.New("its key is shared out among groups (key_groups), which mailform does not put together")
	}
	recipients := f.meta.get("age").itemsOf()
	if len(recipients) == 0 {
		for _, other := range otherKeys {
			if len(f.meta.get(other).itemsOf()) > 0 {
				return nil, fmt.Errorf("SOPS has encrypted it for %s keys, and mailform opens those for age keys; sops rotate --add-age adds one", other)
			}
		}
		return nil, ErrDamaged
	}
	if len(ids) == 0 {
		return nil, ErrNoKey
	}
	damaged := false
	for _, r := range recipients {
		src := strings.NewReader(r.get("enc").text())
		plain, err := age.Decrypt(armor.NewReader(src), ids...)
		if err != nil {
			_, other := errors.AsType[*age.NoIdentityMatchError](err)
			damaged = damaged || !other
			continue
		}
		key, err := io.ReadAll(io.LimitReader(plain, 33))
		if err != nil || len(key) != 32 {
			return nil, ErrDamaged
		}
		return key, nil
	}
	if damaged {
		return nil, ErrDamaged
	}
	return nil, ErrNoKey
}

func (t *tree) itemsOf() []*tree {
	if t == nil {
		return nil
	}
	return t.items
}

// A selection says which values are encrypted.
type selection struct {
	macOnlyEncrypted                   bool
	unencryptedSuffix, encryptedSuffix string
	unencryptedRegex, encryptedRegex   *regexp.Regexp
}

func (f *File) selection() (selection, error) {
	s := selection{
		unencryptedSuffix: f.meta.get("unencrypted_suffix").text(),
		encryptedSuffix:   f.meta.get("encrypted_suffix").text(),
	}
	if only := f.meta.get("mac_only_encrypted"); only != nil {
		s.macOnlyEncrypted, _ = only.value.(bool)
	}
	for _, name := range []string{"unencrypted_comment_regex", "encrypted_comment_regex"} {
		if f.meta.get(name).text() != "" {
			return s, fmt.Errorf("comments say which of its values are encrypted (%s), which mailform does not read", name)
		}
	}
	for name, re := range map[string]**regexp.Regexp{"unencrypted_regex": &s.unencryptedRegex, "encrypted_regex": &s.encryptedRegex} {
		text := f.meta.get(name).text()
		if text == "" {
			continue
		}
		var err error
		if *re, err = regexp.Compile(text); err != nil {
			return s, fmt.Errorf("its %s is no regular expression", name)
		}
	}
	return s, nil
}

// encrypted reports whether the value at a path is encrypted.
func (s selection) encrypted(path []string) bool {
	any := func(match func(string) bool) bool {
		for _, p := range path {
			if match(p) {
				return true
			}
		}
		return false
	}
	yes := true
	if s.unencryptedSuffix != "" {
		yes = !any(func(p string) bool { return strings.HasSuffix(p, s.unencryptedSuffix) })
	}
	if s.encryptedSuffix != "" {
		yes = any(func(p string) bool { return strings.HasSuffix(p, s.encryptedSuffix) })
	}
	if s.unencryptedRegex != nil && any(s.unencryptedRegex.MatchString) {
		yes = false
	}
	if s.encryptedRegex != nil {
		yes = any(s.encryptedRegex.MatchString)
	}
	return yes
}

// An opening walks the values in their order.
type opening struct {
	selection
	aead cipher.AEAD
	mac  hash.Hash
}

// branch opens what a map or a list holds. Items of a list have the path of the
// list.
func (o *opening) branch(t *tree, path []string) (*tree, error) {
	out := &tree{kind: t.kind, names: t.names, items: make([]*tree, len(t.items))}
	for i, item := range t.items {
		at := path
		if t.kind == object {
			at = append(path[:len(path):len(path)], t.names[i])
		}
		var err error
		if item.kind == leaf {
			out.items[i], err = o.leaf(item, at)
		} else {
			out.items[i], err = o.branch(item, at)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o *opening) leaf(t *tree, path []string) (*tree, error) {
	if t.value == nil {
		return t, nil
	}
	encrypted := o.encrypted(path)
	value := t.value
	if encrypted {
		text, ok := value.(string)
		if !ok {
			return nil, ErrDamaged
		}
		var err error
		if value, err = o.decrypt(text, strings.Join(path, ":")+":"); err != nil {
			return nil, err
		}
	}
	if encrypted || !o.macOnlyEncrypted {
		o.mac.Write(authenticated(value))
	}
	if b, ok := value.([]byte); ok {
		value = string(b)
	}
	return &tree{value: value}, nil
}

// authenticated are the octets that stand for a value in the MAC.
func authenticated(v any) []byte {
	switch v := v.(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	case int:
		return []byte(strconv.Itoa(v))
	case float64:
		return []byte(strconv.FormatFloat(v, 'f', -1, 64))
	case bool:
		if v {
			return []byte("True")
		}
		return []byte("False")
	case time.Time:
		b, err := v.MarshalText()
		if err != nil { // a year that nobody writes
			return nil
		}
		return b
	}
	return nil
}

// sealedValue is how SOPS writes an encrypted value.
var sealedValue = regexp.MustCompile(`^ENC\[AES256_GCM,data:([^,]+),iv:([^,]+),tag:([^,]+),type:([a-z]+)\]$`)

// newAEAD is the cipher of SOPS, whose nonces are of 32 octets.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithNonceSize(block, nonceSize)
}

const nonceSize = 32

// decrypt opens one value. An empty text is not encrypted.
func (o *opening) decrypt(text, path string) (any, error) {
	if text == "" {
		return "", nil
	}
	parts := sealedValue.FindStringSubmatch(text)
	if parts == nil {
		return nil, ErrDamaged
	}
	var raw [3][]byte
	for i := range raw {
		var err error
		if raw[i], err = base64.StdEncoding.DecodeString(parts[i+1]); err != nil {
			return nil, ErrDamaged
		}
	}
	data, iv, tag := raw[0], raw[1], raw[2]
	if len(iv) != nonceSize {
		return nil, ErrDamaged
	}
	plain, err := o.aead.Open(nil, iv, append(bytes.Clone(data), tag...), []byte(path))
	if err != nil {
		return nil, ErrDamaged
	}
	v, err := typed(string(plain), parts[4])
	if err != nil {
		return nil, ErrDamaged
	}
	return v, nil
}

// typed is a value as it was before it was encrypted.
func typed(plain, name string) (any, error) {
	switch name {
	case "str":
		return plain, nil
	case "int":
		return strconv.Atoi(plain)
	case "float":
		return strconv.ParseFloat(plain, 64)
	case "bool":
		return strconv.ParseBool(plain)
	case "bytes":
		return []byte(plain), nil
	case "time":
		var t time.Time
		err := t.UnmarshalText([]byte(plain))
		return t, err
	}
	return nil, errors.New("no such type")
}

// checkMAC compares what was opened with what was encrypted.
func (f *File) checkMAC(o *opening) error {
	modified := f.meta.get("lastmodified")
	at, ok := modified.text(), modified != nil
	if ok {
		if t, isTime := modified.value.(time.Time); isTime {
			at = t.Format(time.RFC3339)
		} else if t, err := time.Parse(time.RFC3339, at); err == nil {
			at = t.Format(time.RFC3339)
		}
	}
	want, err := o.decrypt(f.meta.get("mac").text(), at)
	if err != nil {
		return ErrDamaged
	}
	text, _ := want.(string)
	got := strings.ToUpper(hex.EncodeToString(o.mac.Sum(nil)))
	if subtle.ConstantTimeCompare([]byte(text), []byte(got)) != 1 {
		return ErrDamaged
	}
	return nil
}

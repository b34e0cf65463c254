package funcs

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"

	"github.com/google/uuid"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var (
	md5Hex    = hashFunc(md5.New, hex.EncodeToString)
	sha1Hex   = hashFunc(sha1.New, hex.EncodeToString)
	sha256Hex = hashFunc(sha256.New, hex.EncodeToString)
	sha512Hex = hashFunc(sha512.New, hex.EncodeToString)

	base64SHA256 = hashFunc(sha256.New, base64.StdEncoding.EncodeToString)
	base64SHA512 = hashFunc(sha512.New, base64.StdEncoding.EncodeToString)
)

func hashFunc(make func() hash.Hash, encode func([]byte) string) function.Function {
	return textFunc(func(s string) (string, error) {
		return digest(make, encode, []byte(s)), nil
	})
}

// fileHash makes a function that hashes the octets of a file, text or not.
func fileHash(dir string, make func() hash.Hash, encode func([]byte) string) function.Function {
	return pathFunc(cty.String, func(path string) (cty.Value, error) {
		b, err := readFile(dir, path)
		return cty.StringVal(digest(make, encode, b)), err
	})
}

func digest(make func() hash.Hash, encode func([]byte) string, b []byte) string {
	h := make()
	h.Write(b) // a hash never fails
	return encode(h.Sum(nil))
}

// uuidSpaces are the namespaces that RFC 9562 §6.6 gives a name.
var uuidSpaces = map[string]uuid.UUID{
	"dns": uuid.NameSpaceDNS, "url": uuid.NameSpaceURL, "oid": uuid.NameSpaceOID, "x500": uuid.NameSpaceX500,
}

// uuidV5 makes the same UUID of the same name each time (RFC 9562 §5.5).
var uuidV5 = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "namespace", Type: cty.String}, {Name: "name", Type: cty.String}},
	Type:   static(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		space, ok := uuidSpaces[args[0].AsString()]
		if !ok {
			var err error
			if space, err = uuid.Parse(args[0].AsString()); err != nil {
				return cty.NilVal, argError("%q is no namespace: it is dns, url, oid, x500 or a UUID", args[0].AsString())
			}
		}
		return cty.StringVal(uuid.NewSHA1(space, []byte(args[1].AsString())).String()), nil
	},
})

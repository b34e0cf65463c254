package funcs

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
)

// maxUnpacked bounds what a compressed text unpacks to, in bytes.
const maxUnpacked = 16 << 20

var (
	urlEncode    = textFunc(func(s string) (string, error) { return url.QueryEscape(s), nil })
	urlDecode    = textFunc(decodeURL)
	base64Encode = textFunc(func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil })
	base64Decode = textFunc(func(s string) (string, error) {
		b, err := decodeBase64(s)
		if err != nil {
			return "", err
		}
		return text(b)
	})
	base64Gzip = textFunc(func(s string) (string, error) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b) // without a time, so that it is the same each time
		if _, err := io.WriteString(z, s); err != nil {
			return "", err
		}
		if err := z.Close(); err != nil {
			return "", err
		}
		return base64.StdEncoding.EncodeToString(b.Bytes()), nil
	})
	base64Gunzip = textFunc(gunzip)
)

func decodeURL(s string) (string, error) {
	d, err := url.QueryUnescape(s)
	if err != nil {
		return "", errors.New("is not encoded for a URL: a % has two hexadecimal digits after it")
	}
	return text([]byte(d))
}

func decodeBase64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, errors.New("is not valid base64")
	}
	return b, nil
}

// text holds decoded octets to UTF-8, since a string is text.
func text(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", errors.New("does not hold UTF-8 text")
	}
	return string(b), nil
}

func gunzip(s string) (string, error) {
	b, err := decodeBase64(s)
	if err != nil {
		return "", err
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return "", errors.New("is not compressed by gzip")
	}
	out, err := io.ReadAll(io.LimitReader(z, maxUnpacked+1))
	switch {
	case err != nil:
		return "", errors.New("is compressed by gzip, and damaged")
	case len(out) > maxUnpacked:
		return "", fmt.Errorf("unpacks to more than %d MiB", maxUnpacked>>20)
	}
	return text(out)
}

// charset finds an encoding by its name at IANA.
func charset(name string) (encoding.Encoding, error) {
	e, err := ianaindex.IANA.Encoding(name)
	if err != nil || e == nil {
		return nil, function.NewArgErrorf(1, "%q is no encoding that is known here; names are those of IANA, such as ISO-8859-1, windows-1252 or UTF-16LE", name)
	}
	return e, nil
}

var charsetParams = []function.Parameter{{Name: "text", Type: cty.String}, {Name: "encoding", Type: cty.String}}

var textEncodeBase64 = function.New(&function.Spec{
	Params: charsetParams,
	Type:   static(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		e, err := charset(args[1].AsString())
		if err != nil {
			return cty.NilVal, err
		}
		b, err := e.NewEncoder().Bytes([]byte(args[0].AsString()))
		if err != nil {
			return cty.NilVal, argError("has characters that %s does not", args[1].AsString())
		}
		return cty.StringVal(base64.StdEncoding.EncodeToString(b)), nil
	},
})

var textDecodeBase64 = function.New(&function.Spec{
	Params: charsetParams,
	Type:   static(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		e, err := charset(args[1].AsString())
		if err != nil {
			return cty.NilVal, err
		}
		b, err := decodeBase64(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		// Decoders put U+FFFD where octets stand for nothing.
		out, err := e.NewDecoder().Bytes(b)
		if err != nil || !utf8.Valid(out) || bytes.ContainsRune(out, utf8.RuneError) {
			return cty.NilVal, argError("holds octets that stand for nothing in %s", args[1].AsString())
		}
		return cty.StringVal(string(out)), nil
	},
})

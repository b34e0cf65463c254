// Package funcs is the function library of the configuration language: those
// of Terraform, under the same names and with the same meaning, and those that
// make texts of mail records. schema.Functions describes each.
//
// Functions whose result is another one each time (timestamp, uuid, bcrypt) are
// not here, because a plan of the same input must be the same plan.
package funcs

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"maps"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Table returns the functions by their names. Relative paths in file functions
// start from dir. sensitive is the mark of sensitive values.
func Table(dir string, sensitive any) map[string]function.Function {
	t := map[string]function.Function{
		"abs":              stdlib.AbsoluteFunc,
		"abspath":          absPath(dir),
		"alltrue":          allTrue,
		"anytrue":          anyTrue,
		"base64decode":     base64Decode,
		"base64encode":     base64Encode,
		"base64gunzip":     base64Gunzip,
		"base64gzip":       base64Gzip,
		"base64sha256":     base64SHA256,
		"base64sha512":     base64SHA512,
		"basename":         baseName,
		"can":              tryfunc.CanFunc,
		"ceil":             stdlib.CeilFunc,
		"chomp":            stdlib.ChompFunc,
		"chunklist":        stdlib.ChunklistFunc,
		"cidrcontains":     cidrContains,
		"cidrhost":         cidrHost,
		"cidrnetmask":      cidrNetmask,
		"cidrsubnet":       cidrSubnet,
		"cidrsubnets":      cidrSubnets,
		"coalesce":         coalesce,
		"coalescelist":     stdlib.CoalesceListFunc,
		"compact":          stdlib.CompactFunc,
		"concat":           stdlib.ConcatFunc,
		"contains":         stdlib.ContainsFunc,
		"csvdecode":        stdlib.CSVDecodeFunc,
		"dirname":          dirName,
		"distinct":         stdlib.DistinctFunc,
		"element":          stdlib.ElementFunc,
		"endswith":         endsWith,
		"file":             fileText(dir),
		"filebase64":       fileBase64(dir),
		"filebase64sha256": fileHash(dir, sha256.New, base64.StdEncoding.EncodeToString),
		"filebase64sha512": fileHash(dir, sha512.New, base64.StdEncoding.EncodeToString),
		"fileexists":       fileExists(dir),
		"filemd5":          fileHash(dir, md5.New, hex.EncodeToString),
		"fileset":          fileSet(dir),
		"filesha1":         fileHash(dir, sha1.New, hex.EncodeToString),
		"filesha256":       fileHash(dir, sha256.New, hex.EncodeToString),
		"filesha512":       fileHash(dir, sha512.New, hex.EncodeToString),
		"flatten":          stdlib.FlattenFunc,
		"floor":            stdlib.FloorFunc,
		"format":           stdlib.FormatFunc,
		"formatdate":       stdlib.FormatDateFunc,
		"formatlist":       stdlib.FormatListFunc,
		"indent":           stdlib.IndentFunc,
		"index":            indexOf,
		"issensitive":      makeIsSensitive(sensitive),
		"join":             stdlib.JoinFunc,
		"jsondecode":       jsonDecode,
		"jsonencode":       stdlib.JSONEncodeFunc,
		"keys":             stdlib.KeysFunc,
		"length":           length,
		"log":              stdlib.LogFunc,
		"lookup":           lookup,
		"lower":            stdlib.LowerFunc,
		"matchkeys":        matchKeys,
		"max":              stdlib.MaxFunc,
		"md5":              md5Hex,
		"merge":            stdlib.MergeFunc,
		"min":              stdlib.MinFunc,
		"nonsensitive":     makeNonsensitive(sensitive),
		"one":              one,
		"parseint":         stdlib.ParseIntFunc,
		"pathexpand":       pathExpand,
		"pow":              pow,
		"range":            stdlib.RangeFunc,
		"regex":            stdlib.RegexFunc,
		"regexall":         stdlib.RegexAllFunc,
		"replace":          replace,
		"reverse":          stdlib.ReverseListFunc,
		"sensitive":        makeSensitive(sensitive),
		"setintersection":  stdlib.SetIntersectionFunc,
		"setproduct":       stdlib.SetProductFunc,
		"setsubtract":      stdlib.SetSubtractFunc,
		"setunion":         stdlib.SetUnionFunc,
		"sha1":             sha1Hex,
		"sha256":           sha256Hex,
		"sha512":           sha512Hex,
		"signum":           stdlib.SignumFunc,
		"slice":            stdlib.SliceFunc,
		"sort":             stdlib.SortFunc,
		"split":            stdlib.SplitFunc,
		"startswith":       startsWith,
		"strcontains":      strContains,
		"strrev":           stdlib.ReverseFunc,
		"substr":           stdlib.SubstrFunc,
		"sum":              sum,
		"textdecodebase64": textDecodeBase64,
		"textencodebase64": textEncodeBase64,
		"timeadd":          stdlib.TimeAddFunc,
		"timecmp":          timeCmp,
		"title":            stdlib.TitleFunc,
		"tobool":           stdlib.MakeToFunc(cty.Bool),
		"tolist":           stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":            stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber":         stdlib.MakeToFunc(cty.Number),
		"toset":            stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":         stdlib.MakeToFunc(cty.String),
		"transpose":        transpose,
		"trim":             stdlib.TrimFunc,
		"trimprefix":       stdlib.TrimPrefixFunc,
		"trimspace":        stdlib.TrimSpaceFunc,
		"trimsuffix":       stdlib.TrimSuffixFunc,
		"try":              tryfunc.TryFunc,
		"upper":            stdlib.UpperFunc,
		"urldecode":        urlDecode,
		"urlencode":        urlEncode,
		"uuidv5":           uuidV5,
		"values":           stdlib.ValuesFunc,
		"yamldecode":       yamlDecode,
		"yamlencode":       yaml.YAMLEncodeFunc,
		"zipmap":           stdlib.ZipmapFunc,
	}
	maps.Copy(t, mailFunctions())
	inner := templater(maps.Clone(t))
	t["templatefile"] = inner.fromFile(dir)
	t["templatestring"] = inner.fromText()
	return t
}

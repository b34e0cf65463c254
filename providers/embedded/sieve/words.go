package sieve

import (
	"maps"
	"slices"
)

// A word is what the language knows of a command or a test.
type word struct {
	extension string // that has to be required; empty: none
	test      bool
	tags      map[string]tag
	args      []argumentKind // argList takes a single string as well
	// optional says that the first of args, or the only one, may be left out.
	optional bool
	tests    tests
	block    bool
}

type tests int

const (
	noTest tests = iota
	oneTest
	manyTests
)

// A tag is what the language knows of a tagged argument.
type tag struct {
	extension string
	// value that follows it; 0, which is argTag: none.
	value argumentKind
	// group: of the tags of one group a command takes one. Empty: the tag itself.
	group string
}

// Extensions are the names that "require" takes, sorted.
func Extensions() []string { return slices.Sorted(maps.Keys(extensions)) }

var extensions = map[string]struct{}{
	"body": {}, "comparator-i;ascii-casemap": {}, "comparator-i;ascii-numeric": {}, "comparator-i;octet": {}, "copy": {},
	"date": {}, "encoded-character": {}, "envelope": {}, "ereject": {}, "fileinto": {}, "imap4flags": {}, "index": {},
	"mailbox": {}, "reject": {}, "relational": {}, "special-use": {}, "subaddress": {}, "vacation": {}, "vacation-seconds": {},
	"variables": {},
}

var (
	matchTags = map[string]tag{
		"is":         {group: "match"},
		"contains":   {group: "match"},
		"matches":    {group: "match"},
		"count":      {group: "match", extension: "relational", value: argString},
		"value":      {group: "match", extension: "relational", value: argString},
		"comparator": {value: argString},
	}
	partTags = map[string]tag{
		"all":       {group: "part"},
		"localpart": {group: "part"},
		"domain":    {group: "part"},
		"user":      {group: "part", extension: "subaddress"},
		"detail":    {group: "part", extension: "subaddress"},
	}
	indexTags = map[string]tag{
		"index": {extension: "index", value: argNumber},
		"last":  {extension: "index"},
	}
	flagTags = map[string]tag{"flags": {extension: "imap4flags", value: argList}}
	copyTags = map[string]tag{"copy": {extension: "copy"}}
	zoneTags = map[string]tag{
		"zone":         {group: "zone", value: argString},
		"originalzone": {group: "zone"},
	}
)

func together(sets ...map[string]tag) map[string]tag {
	all := map[string]tag{}
	for _, s := range sets {
		maps.Copy(all, s)
	}
	return all
}

// words are all commands and tests.
var words = map[string]word{
	"require": {args: []argumentKind{argList}},
	"if":      {tests: oneTest, block: true},
	"elsif":   {tests: oneTest, block: true},
	"else":    {block: true},
	"stop":    {},
	"keep":    {tags: flagTags},
	"discard": {},
	"redirect": {
		args: []argumentKind{argString}, tags: copyTags,
	},
	"fileinto": {
		extension: "fileinto", args: []argumentKind{argString},
		tags: together(copyTags, flagTags, map[string]tag{
			"create":     {extension: "mailbox"},
			"specialuse": {extension: "special-use", value: argString},
		}),
	},
	"reject":  {extension: "reject", args: []argumentKind{argString}},
	"ereject": {extension: "ereject", args: []argumentKind{argString}},
	"set": {
		extension: "variables", args: []argumentKind{argString, argString},
		tags: map[string]tag{
			"lower": {group: "40"}, "upper": {group: "40"},
			"lowerfirst": {group: "30"}, "upperfirst": {group: "30"},
			"quotewildcard": {group: "20"}, "length": {group: "10"},
		},
	},
	"setflag":    {extension: "imap4flags", args: []argumentKind{argString, argList}, optional: true},
	"addflag":    {extension: "imap4flags", args: []argumentKind{argString, argList}, optional: true},
	"removeflag": {extension: "imap4flags", args: []argumentKind{argString, argList}, optional: true},
	"vacation": {
		extension: "vacation", args: []argumentKind{argString},
		tags: map[string]tag{
			"days":      {group: "interval", value: argNumber},
			"seconds":   {group: "interval", value: argNumber, extension: "vacation-seconds"},
			"subject":   {value: argString},
			"from":      {value: argString},
			"addresses": {value: argList},
			"mime":      {},
			"handle":    {value: argString},
		},
	},

	"true":    {test: true},
	"false":   {test: true},
	"not":     {test: true, tests: oneTest},
	"allof":   {test: true, tests: manyTests},
	"anyof":   {test: true, tests: manyTests},
	"address": {test: true, args: []argumentKind{argList, argList}, tags: together(matchTags, partTags, indexTags)},
	"envelope": {
		test: true, extension: "envelope",
		args: []argumentKind{argList, argList}, tags: together(matchTags, partTags),
	},
	"header": {test: true, args: []argumentKind{argList, argList}, tags: together(matchTags, indexTags)},
	"exists": {test: true, args: []argumentKind{argList}},
	"size": {
		test: true, args: []argumentKind{argNumber},
		tags: map[string]tag{"over": {group: "limit"}, "under": {group: "limit"}},
	},
	"string":  {test: true, extension: "variables", args: []argumentKind{argList, argList}, tags: matchTags},
	"hasflag": {test: true, extension: "imap4flags", args: []argumentKind{argList, argList}, optional: true, tags: matchTags},
	"mailboxexists": {
		test: true, extension: "mailbox", args: []argumentKind{argList},
	},
	"specialuse_exists": {
		test: true, extension: "special-use", args: []argumentKind{argString, argList}, optional: true,
	},
	"body": {
		test: true, extension: "body", args: []argumentKind{argList},
		tags: together(matchTags, map[string]tag{
			"raw": {group: "transform"}, "text": {group: "transform"}, "content": {group: "transform", value: argList},
		}),
	},
	"currentdate": {
		test: true, extension: "date", args: []argumentKind{argString, argList},
		tags: together(matchTags, map[string]tag{"zone": zoneTags["zone"]}),
	},
	"date": {
		test: true, extension: "date", args: []argumentKind{argString, argString, argList},
		tags: together(matchTags, zoneTags, indexTags),
	},
}

package config

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// inItsPlace stands in a snapshot where a secret stands in a file.
const inItsPlace = "(sensitive value)"

// leastSecret is the length from which on a secret is looked for everywhere, in
// bytes. Shorter ones are words that stand anywhere, and what declares them is
// blanked out in any case.
const leastSecret = 8

// hashShape finds what looks like the verifier of a password, wherever it stands.
var hashShape = regexp.MustCompile(`\$(?:argon2\w*|2[abxy]|[156y]|pbkdf2[\w-]*|scram[\w-]*)\$[\w$./+=,-]{8,}|pbkdf2_sha256\$[\w$./+=,-]{8,}|\{(?i:SCRAM-SHA-\d+|[A-Z0-9-]*CRYPT|SSHA\d*|ARGON2\w*|PBKDF2[\w-]*)\}[\w$./+=,:-]{8,}`)

// Snapshot are the configuration files without the values of sensitive attributes
// and variables, by the names that diagnostics use. Lines are where they were.
// The given secrets, and what looks like the verifier of a password, are blanked
// out wherever they stand. Files with values of variables are not among them:
// their values are known by name.
func (m *Module) Snapshot(secrets []string) map[string]string {
	var pairs []string
	for _, s := range secrets {
		if len(s) >= leastSecret {
			pairs = append(pairs, s, inItsPlace)
		}
	}
	known := strings.NewReplacer(pairs...)
	files := map[string]string{}
	for name, t := range m.texts {
		if !strings.HasSuffix(strings.TrimSuffix(name, suffixJSON), suffixConfig) {
			continue
		}
		files[name] = hashShape.ReplaceAllString(known.Replace(t.without()), inItsPlace)
	}
	return files
}

// without is the text with something else in the place of secrets.
func (t *text) without() string {
	if t.shown != nil {
		return string(t.blanked())
	}
	spans := slices.Clone(t.secrets)
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	var b strings.Builder
	at := uint32(0)
	for _, s := range spans {
		if s.from < at || int(s.to) > len(t.bytes) || s.from == s.to {
			continue // it lies in the one before
		}
		b.Write(t.bytes[at:s.from])
		b.WriteString(`"` + inItsPlace + `"`)
		b.WriteString(strings.Repeat("\n", bytes.Count(t.bytes[s.from:s.to], []byte{'\n'})))
		at = s.to
	}
	b.Write(t.bytes[at:])
	return b.String()
}

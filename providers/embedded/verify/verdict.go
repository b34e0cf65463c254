package verify

import "strings"

// A Result is the word for the outcome of a check (RFC 8601 §2.7).
type Result string

// Results, as far as they are told apart here. SPF has "neutral" and "softfail"
// beside them.
const (
	None      Result = "none"
	Pass      Result = "pass"
	Fail      Result = "fail"
	TempError Result = "temperror"
	PermError Result = "permerror"
)

// A Disposition is what is to become of a message. The later ones are worse for it.
type Disposition int

const (
	Deliver Disposition = iota
	Junk                // deliver, but not into the inbox
	Defer               // the sender is to try again: who he is cannot be told now
	Refuse
)

// A Verdict is what all the checks have found.
type Verdict struct {
	SPF         SPF
	DKIM        []Signature
	DMARC       DMARC
	ARC         ARC
	Disposition Disposition

	refusedBy               string
	checkedDKIM, checkedARC bool
}

// RefusedBy names the check that asks for the disposition: "spf" or "dmarc".
func (v *Verdict) RefusedBy() string { return v.refusedBy }

// maxReason is the longest text of a comment.
const maxReason = 80

// Results are the results as RFC 8601 writes them, without the name of who found
// them; empty where nothing was checked.
func (v *Verdict) Results() []string {
	var out []string
	if v.SPF.Result != "" {
		r := "spf=" + string(v.SPF.Result)
		if v.SPF.Sender != "" {
			r += property(" smtp.mailfrom=", sender(v.SPF))
		} else {
			r += property(" smtp.helo=", v.SPF.Domain)
		}
		out = append(out, r)
	}
	for _, s := range v.DKIM {
		out = append(out, "dkim="+string(s.Result)+comment(s.Reason)+property(" header.d=", s.Domain))
	}
	if v.checkedDKIM && len(v.DKIM) == 0 {
		out = append(out, "dkim=none")
	}
	if d := v.DMARC; d.Result != "" {
		r := "dmarc=" + string(d.Result)
		switch {
		case d.Override != "":
			r += " (p=" + d.Policy + " not applied: " + d.Override + ")"
		case d.Policy != "":
			r += " (p=" + d.Policy + ")"
		}
		out = append(out, r+property(" header.from=", d.Domain))
	}
	if v.checkedARC {
		r := v.ARC.Result
		if r == "" {
			r = None
		}
		out = append(out, "arc="+string(r)+comment(v.ARC.Reason))
	}
	return out
}

// Field is the Authentication-Results field, with its CRLF; empty where nothing
// was checked.
func (v *Verdict) Field(host string) string { return Field(host, v.Results()) }

// Field is the Authentication-Results field of some results (RFC 8601 §2.2), with its
// CRLF; empty where there are none.
func Field(host string, results []string) string {
	if len(results) == 0 {
		return ""
	}
	return "Authentication-Results: " + host + ";\r\n\t" + strings.Join(results, ";\r\n\t") + "\r\n"
}

// sender is the address that SPF was checked for, or its domain alone where the
// local part is not one of plain characters: nothing that a sender chooses may
// look like a result.
func sender(s SPF) string {
	if plain(s.Sender) {
		return s.Sender
	}
	return s.Domain
}

func property(name, value string) string {
	if value == "" || !plain(value) {
		return ""
	}
	return name + value
}

// plain says that a text can stand as it is wherever RFC 8601 has a value.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._-+@", c) >= 0) {
			return false
		}
	}
	return strings.Count(s, "@") <= 1 && len(s) <= 320
}

// comment is a text in parentheses, without what could end it early.
func comment(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`()\;"`, r) {
			return '_'
		}
		return r
	}, s)
	if len(s) > maxReason {
		s = s[:maxReason]
	}
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

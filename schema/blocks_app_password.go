package schema

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// AppServices are the services that an app password can be good for, sorted.
var AppServices = []string{"imap", "managesieve", "pop3", "submission"}

// MaxAppPasswords is how many a user can have: a wrong password is compared with all.
const MaxAppPasswords = 32

var appPasswordBlock = &BlockType{
	Type:  "app_password",
	Label: "name",
	Doc: "A further password of a user, for one program, which can be taken away alone. The embedded server has them. " +
		"Others can be made without the files, by `mailform app-password add`; see [app passwords](../mail-server.md#app-passwords).",
	Example: `app_password "alice_phone" {
  user          = user.alice
  name          = "phone"
  password_hash = var.alice_password_hash
  services      = ["imap", "submission"]
  expires       = "2027-11-26"
}`,
	Instances: true,
	Attributes: []Attribute{
		{Name: "user", Type: RefType, Required: true, Refs: []string{"user"},
			Doc: "Whose it is. It is good for the services that the user may use, and for no others."},
		{Name: "name", Type: cty.String, Required: true, Form: FormAppPasswordName,
			Doc: "What it is called, unique for the user: after the program, or the device."},
		{Name: "password_hash", Sets: []string{"apppassword.password_hash"}, Type: cty.List(cty.String), OrOne: true, Required: true, NonEmpty: true, Sensitive: true, Form: FormPasswordHash,
			Doc: "What `mailform passwd` prints, or a list of several verifiers of the same password. Plain text is never accepted."},
		{Name: "services", Sets: []string{"apppassword.services"}, Type: cty.List(cty.String), NonEmpty: true, Default: stringList(AppServices...), Form: oneOf(AppServices...),
			Doc: "What it is good for."},
		{Name: "expires", Sets: []string{"apppassword.expires"}, Type: cty.String, Form: FormTime,
			Doc: "From when on it is not good any more. Left out: it stays good."},
	},
}

var appPasswordAttributes = []KindAttribute{
	{Name: "user", Type: cty.String, Immutable: true, Doc: "Address of the account."},
	{Name: "name", Type: cty.String, Immutable: true, Doc: "What it is called."},
	{Name: "password_hash", Type: cty.List(cty.String), Sensitive: true, Doc: "Verifiers of the password."},
	{Name: "services", Type: cty.List(cty.String), Doc: "What it is good for: imap, managesieve, pop3, submission. Sorted."},
	{Name: "expires", Type: cty.String, Doc: "From when on it is not good any more, in RFC 3339 and UTC; empty: it stays good."},
}

// ParseAppPasswordName reads the name of an app password.
func ParseAppPasswordName(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("it is empty")
	case len(name) > 64:
		return "", errors.New("it is longer than 64 bytes")
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '/' || r >= 0x7f && r < 0xa0 }):
		return "", errors.New("it has a character that no name has: a slash, or one that is not printed")
	}
	return name, nil
}

// ParseTime reads a time as RFC 3339 writes it, or a day, which begins at midnight in
// UTC.
func ParseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse(time.DateOnly, s)
	}
	switch {
	case err != nil:
		return time.Time{}, errors.New("it is no time as RFC 3339 writes it, and no day")
	case t.UTC().Year() < 1970 || t.UTC().Year() > 9999:
		return time.Time{}, fmt.Errorf("the year %d is out of bounds", t.UTC().Year())
	}
	return t.UTC().Truncate(time.Second), nil
}

package expand

import (
	"time"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// addAppPasswords makes the app passwords of users whose homes are known by now.
func (e *expander) addAppPasswords() {
	seen := map[string]*block{}
	count := map[*block]int{}
	for _, b := range e.byType["app_password"] {
		s := e.section(b)
		_, user, f := s.attr("user").ref()
		if f == absent {
			s.attr("user").errorf("Missing value", "user has to name a user block.")
		}
		name, ok := readKey(s.attr("name"), schema.ParseAppPasswordName)
		if f != known || !ok {
			continue
		}
		home, ok := e.homes[user]
		if !ok {
			continue // what is wrong with the user has been said
		}
		b.parent = user.parent
		if !runs(home.mailboxes) {
			s.attr("user").errorf("Server without app passwords",
				"mailform makes no app passwords at %s, which keeps the mailbox of %s. The embedded server has them. Leave out %s.", home.mailboxes, user.addr, b.addr)
			continue
		}
		key := user.mail + "/" + name
		if first := seen[key]; first != nil {
			s.attr("name").errorf("Name that is taken", "%s has the app password %q by %s (%s). Give this one another name.", user.addr, name, first.addr, at(first.inst.Range))
			continue
		}
		seen[key] = b
		if count[user]++; count[user] == schema.MaxAppPasswords+1 {
			s.attr("user").errorf("Too many app passwords", "%s has more than %d, and a wrong password is compared with all of them.", user.addr, schema.MaxAppPasswords)
		}
		services, sf := readList(s.attr("services"), text)
		if sf == absent {
			services, sf = schema.AppServices, known
		}
		expires, ef := read(s.attr("expires"), func(s string) (string, error) {
			t, err := schema.ParseTime(s)
			return t.Format(time.RFC3339), err
		})
		if ef == absent {
			ef = known
		}
		e.add(b, ".app_password", schema.KindAppPassword, home.mailboxes, key, map[string]cty.Value{
			"user":          cty.StringVal(user.mail),
			"name":          cty.StringVal(name),
			"password_hash": s.attr("password_hash").secrets(),
			"services":      e.wordList(services, sf),
			"expires":       orUnknown(expires, ef),
		})
	}
}

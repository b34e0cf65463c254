package dovecot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/ldap"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A server that finds its users in a directory has a file that says how Dovecot
// asks it. It holds the password that Dovecot asks with, so that only root and
// Dovecot can read it; the password is there and nowhere else. The directory judges
// the passwords of users: Dovecot logs in as them.

// lookupFile has what a directory is asked.
func (p *Provider) lookupFile() string { return path.Join(p.ours(), lookupName) }

const lookupName = "directory.conf.ext"

// A lookupDialect is how a dialect asks a directory.
type lookupDialect struct {
	// keys are what settings are called, by attribute.
	keys map[string]string
	// named is what the file of settings says.
	named func(b *strings.Builder, e environment, file string)
	// rest is what the file says beyond the keys.
	rest func(b *strings.Builder, l schema.Lookup)
	// path is where the name of the file is in force: a block and a setting.
	block, setting string
}

var lookup23 = &lookupDialect{
	keys:  map[string]string{"url": "uris", "bind_dn": "dn", "bind_password": "dnpass", "users_base": "base", "ca_file": "tls_ca_cert_file"},
	block: "passdb", setting: "args",
	named: func(b *strings.Builder, e environment, file string) {
		fmt.Fprintf(b, "passdb {\n  driver = ldap\n  args = %s\n}\n", file)
		fmt.Fprintf(b, "userdb {\n  driver = ldap\n  args = %s\n  default_fields = uid=%s gid=%s home=%s mail=maildir:~/Maildir\n}\n\n", file, e.uid, e.gid, path.Join(e.mailDir, "%d", "%n"))
	},
	rest: func(b *strings.Builder, l schema.Lookup) {
		b.WriteString("ldap_version = 3\nscope = subtree\nauth_bind = yes\n")
		if l.StartTLS {
			b.WriteString("tls = yes\n")
		}
		if l.StartTLS || l.Server.Scheme == "ldaps" {
			b.WriteString("tls_require_cert = hard\n")
		}
		l.UsersFilter = strings.ReplaceAll(l.UsersFilter, "%", "%%")
		is := "(" + l.UserAddress + "=%u)"
		// Who submits mail needs none of the protocols, who keeps scripts IMAP.
		when := func(service, attribute string) string {
			return "%{if;%s;eq;" + service + ";" + attribute + ";mailformNone}"
		}
		fmt.Fprintf(b, "pass_filter = %s\npass_attrs =\n", quote(l.Users(is, protocols(l, "%s", when))))
		fmt.Fprintf(b, "user_filter = %s\n", quote("(&"+l.UsersFilter+is+")"))
		if l.UserQuota != "" {
			fmt.Fprintf(b, "user_attrs = %s=quota_rule=*:bytes=%%$\n", l.UserQuota)
		} else {
			b.WriteString("user_attrs =\n")
		}
		fmt.Fprintf(b, "iterate_filter = %s\niterate_attrs = %s=user\n", quote("(&"+l.UsersFilter+"("+l.UserAddress+"=*))"), l.UserAddress)
	},
}

// protocols is the condition that a user may use a service. Without an attribute
// for it all may use all.
func protocols(l schema.Lookup, service string, when func(service, attribute string) string) string {
	if l.UserProtocols == "" {
		return ""
	}
	p := l.UserProtocols
	return "(|(!(" + p + "=*))(" + p + "=" + service + ")(" + when("smtp", "objectClass") + "=*)(&(" + p + "=imap)(" + when("sieve", "objectClass") + "=*)))"
}

// text is the file.
func (d *lookupDialect) text(l schema.Lookup) []byte {
	var b strings.Builder
	b.WriteString("# What mailform keeps of how Dovecot asks a directory. What is changed here is seen, and put back by the next apply.\n")
	for _, name := range []string{"url", "bind_dn", "bind_password", "users_base", "ca_file"} {
		value := l.Attrs()[name].AsString()
		if name == "users_base" {
			value = strings.ReplaceAll(value, "%", "%%")
		}
		if value != "" && d.keys[name] != "" {
			fmt.Fprintf(&b, "%s = %s\n", d.keys[name], quote(value))
		}
	}
	d.rest(&b, l)
	return []byte(b.String())
}

// value is a setting of the file.
func (d *lookupDialect) value(text []byte, attribute string) string {
	v := parseTree(string(text)).values[d.keys[attribute]]
	if attribute == "users_base" {
		v = strings.ReplaceAll(v, "%%", "%")
	}
	return v
}

// readLookup takes in where users are found.
func (w *wanted) readLookup(r *reader) {
	l, err := schema.ReadLookup(r.attrs)
	if err != nil {
		r.err = err
		return
	}
	if l.Owner != w.key {
		r.err = errors.New("owner is not that of the key")
		return
	}
	for attribute, value := range map[string]string{"bind_password": l.BindPassword, "bind_dn": l.BindDN, "users_base": l.UsersBase} {
		if strings.HasPrefix(value, "<") || strings.Contains(value, "$") && attribute != "bind_password" {
			r.err = fmt.Errorf("%s has a character that has another meaning in Dovecot's configuration", attribute)
			return
		}
	}
	w.lookup = &l
}

// errNoLookup is the error of a Dovecot that is not set up to ask directories.
var errNoLookup = errors.New("mailform does not set up Dovecot 2.4 to find its users in a directory, only 2.3")

// judgeLookup asks the directory whether Dovecot will find anybody there.
func (p *Provider) judgeLookup(ctx context.Context, address string, w *wanted) []providers.Problem {
	problem := func(format string, args ...any) []providers.Problem {
		return []providers.Problem{{Address: address, Detail: fmt.Sprintf(format, args...)}}
	}
	if d := p.dialectOf(ctx); d != nil && d.lookup == nil {
		return problem("%s.", strings.ToUpper(errNoLookup.Error()[:1])+errNoLookup.Error()[1:])
	}
	if err := ldap.Sees(ctx, *w.lookup); err != nil {
		return problem("Dovecot would find no users in the directory: %s.", err)
	}
	return nil
}

// declared is a lookup as its mark has it: without the password.
func declared(l schema.Lookup) string {
	vals := map[string]string{}
	l.BindPassword = ""
	for name, v := range l.Attrs() {
		if v.Type() == cty.String {
			vals[name] = v.AsString()
		}
	}
	if l.StartTLS {
		vals["start_tls"] = "yes"
	}
	text, _ := json.Marshal(vals) // texts alone
	return string(text)
}

// declaredLookup reads it, with the password that the file has.
func (st *state) declaredLookup(m mark) (schema.Lookup, error) {
	var texts map[string]string
	if err := json.Unmarshal([]byte(m.Lookup), &texts); err != nil {
		return schema.Lookup{}, err
	}
	vals := schema.Lookup{}.Attrs()
	for name := range vals {
		if name != "start_tls" {
			vals[name] = cty.StringVal(texts[name])
		}
	}
	vals["start_tls"] = cty.BoolVal(texts["start_tls"] != "")
	vals["bind_password"] = cty.StringVal(st.dialect.lookup.value(st.lookup.Content, "bind_password"))
	return schema.ReadLookup(schema.KindByName(schema.KindLookup).Object(vals))
}

// observeLookup tells how Dovecot asks a directory: as the mark says, but for what
// the file and the settings in force say otherwise.
func (p *Provider) observeLookup(st *state, m mark) (providers.Observed, bool) {
	l, err := st.declaredLookup(m)
	if err != nil {
		return providers.Observed{}, false
	}
	d, vals := st.dialect.lookup, l.Attrs()
	if want := d.text(l); string(want) != string(st.lookup.Content) {
		found := false
		for attribute := range d.keys {
			if have := d.value(st.lookup.Content, attribute); have != vals[attribute].AsString() {
				vals[attribute], found = cty.StringVal(have), true
			}
		}
		if !found {
			vals["users_filter"] = cty.StringVal("") // something else of it
		}
	}
	asked := false
	for _, b := range st.tree.blocks[d.block] {
		asked = asked || b.values[d.setting] == p.lookupFile()
	}
	if !asked {
		vals["url"] = cty.StringVal("")
	}
	return p.seen(m, vals), st.lookup.Exists
}

// lookupChange is the file as it has to be; false: it is.
func (st *state) lookupChange(p *Provider) (host.File, bool) {
	if st.settings.lookup == nil {
		return host.File{}, false
	}
	text := st.dialect.lookup.text(*st.settings.lookup)
	if string(text) == string(st.lookup.Content) {
		return host.File{}, false
	}
	f := st.lookup.With(text)
	f.Path, f.Mode, f.Owner = p.lookupFile(), 0o640, "root:dovecot"
	return f, true
}

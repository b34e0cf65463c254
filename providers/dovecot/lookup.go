package dovecot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
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
	// text is the file.
	text func(b *strings.Builder, d *lookupDialect, l schema.Lookup)
	// within is the block of the file that has the settings; empty: none.
	within string
	// percent stands before what would be a variable, and escaped for it.
	percent, escaped string
	// expanded are the attributes with variables in them.
	expanded []string
	// asked reports whether Dovecot does as the file says.
	asked func(t *tree, file string) bool
}

var lookup23 = &lookupDialect{
	keys: map[string]string{"url": "uris", "bind_dn": "dn", "bind_password": "dnpass", "users_base": "base", "ca_file": "tls_ca_cert_file"},
	named: func(b *strings.Builder, e environment, file string) {
		fmt.Fprintf(b, "passdb {\n  driver = ldap\n  args = %s\n}\n", file)
		fmt.Fprintf(b, "userdb {\n  driver = ldap\n  args = %s\n  default_fields = uid=%s gid=%s home=%s mail=%s\n}\n\n", file, e.uid, e.gid, path.Join(e.mailDir, "%d", "%n"), e.maildir23())
	},
	text: writeLookup23, percent: "%", escaped: "%%", expanded: []string{"users_base"},
	asked: func(t *tree, file string) bool {
		return slices.ContainsFunc(t.blocks["passdb"], func(b *tree) bool { return b.values["args"] == file })
	},
}

func writeLookup23(b *strings.Builder, d *lookupDialect, l schema.Lookup) {
	d.writeKeys(b, "", l)
	b.WriteString("ldap_version = 3\nscope = subtree\nauth_bind = yes\n")
	if l.StartTLS {
		b.WriteString("tls = yes\n")
	}
	if l.StartTLS || l.Server.Scheme == "ldaps" {
		b.WriteString("tls_require_cert = hard\n")
	}
	l.UsersFilter = strings.ReplaceAll(l.UsersFilter, d.percent, d.escaped)
	is := "(" + l.UserAddress + "=%u)"
	// Who submits mail needs none of the protocols, who keeps scripts IMAP.
	when := func(service, attribute string) string {
		return "%{if;%s;eq;" + service + ";" + attribute + ";mailformNone}"
	}
	fmt.Fprintf(b, "pass_filter = %s\npass_attrs =\n", quote(l.Users(is, protocols(l, service23, when))))
	fmt.Fprintf(b, "user_filter = %s\n", quote("(&"+l.UsersFilter+is+")"))
	if l.UserQuota != "" {
		fmt.Fprintf(b, "user_attrs = %s=quota_rule=*:bytes=%%$\n", l.UserQuota)
	} else {
		b.WriteString("user_attrs =\n")
	}
	fmt.Fprintf(b, "iterate_filter = %s\niterate_attrs = %s=user\n", quote("(&"+l.UsersFilter+"("+l.UserAddress+"=*))"), l.UserAddress)
}

// From 2.4 on a directory is asked by settings like all others, so that the file is
// one of settings. All of it stands in our blocks: the administrator may ask
// another directory.
var lookup24 = &lookupDialect{
	keys: map[string]string{"url": "ldap_uris", "bind_dn": "ldap_auth_dn", "bind_password": "ldap_auth_dn_password", "users_base": "ldap_base"},
	named: func(b *strings.Builder, e environment, file string) {
		fmt.Fprintf(b, "!include %s\nuserdb mailform {\n%s}\n\n", file, userFields24(e))
	},
	text:   writeLookup24,
	within: "passdb mailform", percent: "%{", escaped: "%%{", expanded: []string{"url", "bind_dn", "bind_password", "users_base"},
	asked: func(t *tree, _ string) bool {
		return t.block("passdb mailform").values["driver"] == "ldap"
	},
}

func writeLookup24(b *strings.Builder, d *lookupDialect, l schema.Lookup) {
	begin := func(block string) {
		fmt.Fprintf(b, "%s mailform {\n  driver = ldap\n", block)
		d.writeKeys(b, "  ", l)
		if l.StartTLS {
			b.WriteString("  ldap_starttls = yes\n")
		}
		if l.StartTLS || l.Server.Scheme == "ldaps" {
			b.WriteString("  ssl_client_require_valid_cert = yes\n")
		}
	}
	begin("passdb")
	l.UsersFilter = strings.ReplaceAll(l.UsersFilter, d.percent, d.escaped)
	is := "(" + l.UserAddress + "=%{user})"
	when := func(service, attribute string) string {
		return "%{protocol | if('eq', '" + service + "', '" + attribute + "', 'mailformNone')}"
	}
	fmt.Fprintf(b, "  passdb_ldap_bind = yes\n  passdb_ldap_filter = %s\n}\n", quote(l.Users(is, protocols(l, service24, when))))
	begin("userdb")
	fmt.Fprintf(b, "  userdb_ldap_filter = %s\n", quote("(&"+l.UsersFilter+is+")"))
	fmt.Fprintf(b, "  userdb_ldap_iterate_filter = %s\n", quote("(&"+l.UsersFilter+"("+l.UserAddress+"=*))"))
	if l.UserQuota != "" {
		fmt.Fprintf(b, "  fields {\n    quota_storage_size = %%{ldap:%s | default('0')}\n  }\n", l.UserQuota)
	}
	fmt.Fprintf(b, "  userdb_ldap_iterate_fields {\n    user = %%{ldap:%s}\n  }\n", l.UserAddress)
	b.WriteString("}\n")
}

// writeKeys writes the settings that have names alone.
func (d *lookupDialect) writeKeys(b *strings.Builder, indent string, l schema.Lookup) {
	for _, name := range []string{"url", "bind_dn", "bind_password", "users_base", "ca_file"} {
		value := l.Attrs()[name].AsString()
		if slices.Contains(d.expanded, name) {
			value = strings.ReplaceAll(value, d.percent, d.escaped)
		}
		if value == "" || d.keys[name] == "" {
			continue
		}
		quoted := quote(value)
		if strings.HasPrefix(quoted, "$") {
			quoted = `"` + quoted + `"` // or it would name another setting
		}
		fmt.Fprintf(b, "%s%s = %s\n", indent, d.keys[name], quoted)
	}
}

// protocols is the condition that a user may use a service. Without an attribute
// for it all may use all.
func protocols(l schema.Lookup, service string, when func(service, attribute string) string) string {
	if l.UserProtocols == "" {
		return ""
	}
	p := l.UserProtocols
	return "(|(!(" + p + "=*))(" + p + "=" + service + ")(" + when("smtp", "objectClass") + "=*)(" + when("submission", "objectClass") + "=*)(&(" + p + "=imap)(" + when("sieve", "objectClass") + "=*)))"
}

// file is the text of the file.
func (d *lookupDialect) file(l schema.Lookup) []byte {
	var b strings.Builder
	b.WriteString("# What mailform keeps of how Dovecot asks a directory. What is changed here is seen, and put back by the next apply.\n")
	d.text(&b, d, l)
	return []byte(b.String())
}

// value is a setting of the file.
func (d *lookupDialect) value(text []byte, attribute string) string {
	t := parseTree(string(text))
	if d.within != "" {
		t = t.block(d.within)
	}
	v := t.values[d.keys[attribute]]
	if slices.Contains(d.expanded, attribute) {
		v = strings.ReplaceAll(v, d.escaped, d.percent)
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

// judgeLookup asks the directory whether Dovecot will find anybody there.
func (p *Provider) judgeLookup(ctx context.Context, address string, w *wanted) []providers.Problem {
	problem := func(format string, args ...any) []providers.Problem {
		return []providers.Problem{{Address: address, Detail: fmt.Sprintf(format, args...)}}
	}
	// Seen with 2.4.1: it is read, and libldap does not hear of it.
	if w.lookup.CAFile != "" && p.dialectOf(ctx) == dialects[0] {
		return problem("ca_file of the directory: Dovecot 2.4 does not heed it, and believes the certificates that the machine trusts. Leave it out, and have TLS_CACERT in ldap.conf(5) of that machine name them.")
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
	if want := d.file(l); string(want) != string(st.lookup.Content) {
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
	if !d.asked(st.tree, p.lookupFile()) {
		vals["url"] = cty.StringVal("")
	}
	return p.seen(m, vals), st.lookup.Exists
}

// lookupChange is the file as it has to be; false: it is.
func (st *state) lookupChange(p *Provider) (host.File, bool) {
	if st.settings.lookup == nil {
		return host.File{}, false
	}
	text := st.dialect.lookup.file(*st.settings.lookup)
	if string(text) == string(st.lookup.Content) {
		return host.File{}, false
	}
	f := st.lookup.With(text)
	f.Path, f.Mode, f.Owner = p.lookupFile(), 0o640, "root:dovecot"
	return f, true
}

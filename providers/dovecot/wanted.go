package dovecot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A wanted thing is a resource as the files of Dovecot have it.
type wanted struct {
	kind, key string
	attrs     cty.Value
	// of a mail store
	store mailstore
	// of a listener
	service, hostname string
	listener          listener
	// of submission
	relay string
	// of a parameter
	value string
	// of a location
	place string
	// of where users are found
	lookup *schema.Lookup
	// of a mailbox
	user      user
	script    string
	mail      string
	protocols []string
}

// is reports whether something is as it is wanted.
func (w *wanted) is(attrs cty.Value) bool {
	k := schema.KindByName(w.kind)
	for _, a := range k.Attributes {
		if !a.Computed && !w.attrs.GetAttr(a.Name).RawEquals(attrs.GetAttr(a.Name)) {
			return false
		}
	}
	return true
}

// A reader takes attributes of a resource, and remembers the first error.
type reader struct {
	attrs cty.Value
	err   error
}

func (r *reader) get(name string) (cty.Value, bool) {
	v := r.attrs.GetAttr(name)
	switch {
	case r.err != nil:
	case !v.IsWhollyKnown():
		r.err = fmt.Errorf("%s is not known", name)
	case v.IsNull():
		r.err = fmt.Errorf("%s has no value", name)
	}
	return v, r.err == nil
}

func (r *reader) text(name string) string {
	v, ok := r.get(name)
	if !ok {
		return ""
	}
	s := v.AsString()
	if strings.ContainsAny(s, "\n\r\x00") {
		r.err = fmt.Errorf("%s holds a line break", name)
	}
	return s
}

func (r *reader) whole(name string) int64 {
	v, ok := r.get(name)
	if !ok {
		return 0
	}
	f := v.AsBigFloat()
	n, accuracy := f.Int64()
	if accuracy != 0 || n < 0 {
		r.err = fmt.Errorf("%s is not a whole number from 0 to 2^63", name)
	}
	return n
}

func (r *reader) list(name string) []string {
	v, ok := r.get(name)
	if !ok {
		return nil
	}
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		_, el := it.Element()
		if el.IsNull() {
			r.err = fmt.Errorf("%s has an element without a value", name)
			return nil
		}
		out = append(out, el.AsString())
	}
	return out
}

// read takes a resource in. Its errors name the attribute, and quote nothing that
// may be a secret.
func read(res *schema.Resource) (*wanted, error) {
	k := schema.KindByName(res.Kind)
	if k == nil || !handles(res.Kind) {
		return nil, unknownKind(res.Kind)
	}
	if res.Attrs == cty.NilVal || !res.Attrs.IsKnown() || res.Attrs.IsNull() || !res.Attrs.Type().IsObjectType() {
		return nil, errors.New("there are no attributes")
	}
	attrs, _ := res.Attrs.UnmarkDeep()
	for _, a := range k.Attributes {
		if !attrs.Type().HasAttribute(a.Name) || !attrs.GetAttr(a.Name).Type().Equals(a.Type) {
			return nil, fmt.Errorf("there is no attribute %s", a.Name)
		}
	}
	w := &wanted{kind: res.Kind, key: res.Key, attrs: attrs}
	r := &reader{attrs: attrs}
	switch res.Kind {
	case schema.KindMailStore:
		w.store = mailstore{hostname: r.text("hostname"), certificate: r.text("tls_certificate"), key: r.text("tls_key"), retention: r.whole("retention")}
		if r.err == nil {
			r.err = w.checkStore()
		}
	case schema.KindListener:
		w.readListener(r)
	case schema.KindLookup:
		w.readLookup(r)
	case schema.KindLocation:
		w.place = r.text("path")
		if content := r.text("content"); r.err == nil && (content != w.key || content != storageKey && content != indexKey) {
			r.err = errors.New("content is neither its mail nor the indexes of that, and it has nothing else")
		}
		if r.err == nil {
			r.err = checkPlace(w.place)
		}
	case schema.KindSubmission:
		w.readRelay(r)
	case schema.KindParameter:
		w.value = r.text("value")
		if name := r.text("name"); r.err == nil {
			r.err = checkParameter(name, w.value)
		}
	case schema.KindService:
		r.text("name")
		if v, ok := r.get("running"); ok && v.False() {
			r.err = errors.New("running can only be true: what is not to run is left out")
		}
	case schema.KindMailbox:
		w.readMailbox(r)
	}
	return w, r.err
}

func unknownKind(kind string) error {
	return fmt.Errorf("of the kind %q Dovecot has nothing", kind)
}

func handles(kind string) bool {
	switch kind {
	case schema.KindMailStore, schema.KindLookup, schema.KindSubmission, schema.KindListener, schema.KindParameter, schema.KindLocation, schema.KindService, schema.KindMailbox:
		return true
	}
	return false
}

func (w *wanted) checkStore() error {
	s := w.store
	switch {
	case strings.ContainsAny(s.hostname, " #\"'$\\"):
		return errors.New("hostname is not the name of a host")
	case (s.certificate == "") != (s.key == ""):
		return errors.New("tls_certificate and tls_key stand together")
	}
	for name, file := range map[string]string{"tls_certificate": s.certificate, "tls_key": s.key} {
		if file != "" && (!strings.HasPrefix(file, "/") || strings.ContainsAny(file, " #\"'$\\")) {
			return fmt.Errorf("%s is not a path that can stand in Dovecot's configuration", name)
		}
	}
	return nil
}

func (w *wanted) readListener(r *reader) {
	owner, service := splitListener(w.key)
	w.service, w.hostname = r.text("service"), r.text("hostname")
	w.listener = listener{r.list("listen"), r.list("listen_tls")}
	written := r.text("owner")
	if r.err != nil {
		return
	}
	if _, ok := services[w.service]; !ok {
		r.err = fmt.Errorf("service is %q: Dovecot listens for imap, pop3, managesieve, submission, lmtp and auth", w.service)
		return
	}
	if written != owner || w.service != service {
		r.err = errors.New("owner and service are not those of the key")
		return
	}
	for name, list := range map[string][]string{"listen": w.listener.listen, "listen_tls": w.listener.listenTLS} {
		for _, l := range list {
			if canonical, err := schema.ParseListen(l); err != nil || canonical != l {
				r.err = fmt.Errorf("%s has %q, which is no address to listen on", name, l)
				return
			}
			if h, _, err := net.SplitHostPort(l); err != nil || strings.ContainsAny(h, " ,%") {
				r.err = fmt.Errorf("%s has %q, which Dovecot cannot listen on", name, l)
				return
			}
		}
		if !slices.IsSorted(list) {
			r.err = fmt.Errorf("%s is not sorted", name)
			return
		}
	}
}

func (w *wanted) readMailbox(r *reader) {
	address := r.text("address")
	hashes := r.list("password_hash")
	w.user = user{address: address, quota: r.whole("quota")}
	w.readScript(r)
	w.mail, w.protocols = r.text("mail"), r.list("protocols")
	if r.err != nil {
		return
	}
	if address != w.key {
		r.err = errors.New("address is not that of the key")
		return
	}
	if r.err = checkAddress(address); r.err != nil {
		return
	}
	for _, proto := range w.protocols {
		if proto != "imap" && proto != "pop3" {
			r.err = fmt.Errorf("protocols has %q: expected imap and pop3", proto)
			return
		}
	}
	if !slices.IsSorted(w.protocols) || len(slices.Compact(slices.Clone(w.protocols))) != len(w.protocols) {
		r.err = errors.New("protocols is not sorted, or names one twice")
		return
	}
	var err error
	if w.user.password, w.user.note, err = give(hashes); err != nil {
		r.err = fmt.Errorf("password_hash: %w", err)
		return
	}
	switch w.mail {
	case "enabled":
	case "forward":
		w.user.note.Mail = w.mail
	case "disabled":
		w.user.note.Mail, w.user.note.Protocols = w.mail, w.protocols
	default:
		r.err = fmt.Errorf("mail is %q: expected enabled, disabled or forward", w.mail)
	}
}

// longestScript bounds Sieve scripts, as Dovecot does by itself.
const longestScript = 1 << 20

func (w *wanted) readScript(r *reader) {
	v := r.attrs.GetAttr("sieve")
	switch {
	case r.err != nil:
	case !v.IsKnown():
		r.err = errors.New("sieve is not known")
	case v.IsNull():
	case v.AsString() == "":
		r.err = errors.New("sieve is empty: leave it out")
	case len(v.AsString()) > longestScript || strings.ContainsRune(v.AsString(), 0):
		r.err = errors.New("sieve is longer than 1 MiB, or holds a zero byte")
	default:
		w.script = v.AsString()
		w.user.script = scriptName(w.script)
	}
}

// checkAddress refuses an address that Dovecot cannot have as the name of a user.
func checkAddress(address string) error {
	a, err := schema.ParseAddress(address)
	if err != nil || a.String() != address {
		return errors.New("address is not a mail address")
	}
	if !plainName(address) {
		return fmt.Errorf("address %s has a character that the name of a user of Dovecot cannot have, as it is part of a path: letters, digits and %s can", address, "- . _ + = & ' ~ ! # $ * ^ ` { | }")
	}
	return nil
}

// plainName reports whether an address can be the name of a user, and part of a
// path.
func plainName(address string) bool {
	if strings.ContainsAny(address, "/:%") || strings.HasPrefix(address, "#") || strings.Contains(address, "..") || strings.HasPrefix(address, ".") {
		return false
	}
	for _, c := range address {
		if !strings.ContainsRune(usernameChars, c) {
			return false
		}
	}
	return true
}

// derived are the settings that follow from blocks.
var derived = []string{
	"submission_relay_host", "submission_relay_port", "submission_relay_trusted", "submission_relay_ssl",
	"hostname", "protocols", "ssl", "ssl_cert", "ssl_key", "ssl_server_cert_file", "ssl_server_key_file", "mail_plugins", "auth_mechanisms", "auth_username_format", "auth_username_chars",
	"first_valid_uid", "first_valid_gid", "passdb", "userdb", "plugin/quota", "plugin/quota_vsizes", "plugin/quota_grace", "plugin/mailform_retention",
	"protocol imap/mail_plugins", "protocol lmtp/mail_plugins", "protocol lmtp/mail_plugins/sieve", "mail_plugins/quota", "protocol imap/mail_plugins/imap_quota", "quota User quota/driver", "quota_storage_grace",
}

func checkParameter(name, value string) error {
	for _, part := range strings.Split(name, "/") {
		if part == "" || part != strings.TrimSpace(part) || strings.ContainsAny(part, "{}=#\"'\\$<\n") {
			return fmt.Errorf("name %q is not that of a setting: protocol imap/mail_max_userip_connections is one", name)
		}
	}
	if slices.Contains(derived, name) || strings.Contains(name, "inet_listener") || strings.HasPrefix(name, "passdb") || strings.HasPrefix(name, "userdb") {
		return fmt.Errorf("name %q is a setting that follows from blocks: it cannot be a parameter as well", name)
	}
	if strings.ContainsAny(value, "\n\r\x00") {
		return errors.New("value holds a line break")
	}
	return nil
}

// Validate implements providers.Validator.
func (p *Provider) Validate(ctx context.Context, resources []schema.Resource) ([]providers.Problem, error) {
	p = p.reader()
	var problems []providers.Problem
	stores := ""
	mail := p.mailDir
	for i := range resources {
		if r := &resources[i]; r.Kind == schema.KindLocation && r.Key == storageKey && r.Attrs.IsWhollyKnown() {
			v, _ := r.Attrs.GetAttr("path").Unmark()
			mail = v.AsString()
		}
	}
	for i := range resources {
		r := &resources[i]
		if r.Kind == schema.KindMailStore {
			if stores != "" {
				problems = append(problems, providers.Problem{Address: r.Address, Detail: "This Dovecot keeps the mail of " + stores + " already. Each server needs a Dovecot of its own: provider \"dovecot\" with an alias."})
			}
			stores = r.Address
		}
		if r.Kind == schema.KindLookup && p.table != nil {
			problems = append(problems, providers.Problem{Address: r.Address, Detail: "The users are in a directory: then they cannot be in the table of sql in provider \"dovecot\" as well."})
		}
		if !r.Attrs.IsWhollyKnown() {
			continue
		}
		w, err := read(r)
		if err == nil && w.kind == schema.KindLocation && w.key == indexKey {
			err = beside(w.place, mail)
		}
		if err == nil && w.lookup != nil {
			problems = append(problems, p.judgeLookup(ctx, r.Address, w)...)
		}
		if err != nil {
			attribute, _, _ := strings.Cut(err.Error(), " ")
			problems = append(problems, providers.Problem{Address: r.Address, Attribute: strings.TrimSuffix(attribute, ":"), Detail: "Dovecot cannot hold it: " + err.Error() + "."})
		}
	}
	for _, judge := range []func(context.Context, []schema.Resource) ([]providers.Problem, error){p.validateProtocols, p.validateScripts} {
		more, err := judge(ctx, resources)
		if err != nil {
			return problems, err
		}
		problems = append(problems, more...)
	}
	return problems, nil
}

func seconds(n int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Second)
	return time.Duration(min(n, most)) * time.Second
}

package engine

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/clients"
	"github.com/zclconf/go-cty/cty"
)

// A MailSetup is how mail programs are set up, as the files have it.
type MailSetup struct {
	*clients.Setup
	// AuthorityFile is the file of the authority that signs the server's certificate,
	// where it is one that the embedded server has made; empty: it is another.
	AuthorityFile string
	// Certificate and Key are the files that the server has its certificate from; empty:
	// from none.
	Certificate, Key string
	// Notes are sentences about what stands in the way of using it.
	Notes []string
}

// MailSetups are those of all domains that have a server, in the order of the files.
func (d *Description) MailSetups() ([]*MailSetup, error) {
	var out []*MailSetup
	for _, m := range d.expanded.MailDomains {
		if len(m.Servers) == 0 {
			continue // its servers are somebody else's
		}
		s, err := d.mailSetup(m, "")
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// MailSetup is that of a user, or of all users of a domain.
func (d *Description) MailSetup(who string) (*MailSetup, error) {
	if !strings.Contains(who, "@") {
		name, err := schema.ParseDomainName(who)
		if err != nil {
			return nil, fmt.Errorf("%q is neither a mail address nor a domain: %w", who, err)
		}
		m, err := d.mailDomain(name)
		if err != nil {
			return nil, err
		}
		return d.mailSetup(m, "")
	}
	a, err := schema.ParseAddress(who)
	if err != nil {
		return nil, fmt.Errorf("%q is no mail address: %w", who, err)
	}
	m, err := d.mailDomain(a.Domain)
	if err != nil {
		return nil, err
	}
	box := d.resource(schema.KindMailbox, m.Mailboxes, a.String())
	if box == nil {
		return d.mailSetupElse(m, a)
	}
	block := strings.TrimSuffix(box.Address, ".mailbox")
	inst := d.instance(block)
	if inst == nil || inst.Ref.Type != "user" {
		return nil, fmt.Errorf("the address %s is that of %s, which nobody logs in as: users find it in their own mail program", a, block)
	}
	server, err := serverOf(inst)
	if err != nil {
		return nil, err
	}
	s, err := d.mailSetup(m, server)
	if err != nil {
		return nil, err
	}
	return s.of(box, inst)
}

// of restricts a setup to what a user can do.
func (s *MailSetup) of(box *schema.Resource, inst *config.Instance) (*MailSetup, error) {
	protocols, mail := box.Attrs.GetAttr("protocols"), box.Attrs.GetAttr("mail")
	if !protocols.IsWhollyKnown() || !mail.IsKnown() {
		return nil, fmt.Errorf("what %s may do hangs on values that are not known yet: set its variables by -var", box.Key)
	}
	if mail.AsString() == "disabled" {
		return nil, fmt.Errorf("the user %s is disabled (mail = \"disabled\" in %s, %s:%d), so that no mail program gets in", box.Key, inst.Ref, inst.Range.Filename, inst.Range.Start.Line)
	}
	var allowed []string
	for _, p := range protocols.AsValueSlice() {
		allowed = append(allowed, p.AsString())
	}
	s.Setup = s.Of(allowed)
	s.Address = box.Key
	if hash, _ := box.Attrs.GetAttr("password_hash").Unmark(); hash.IsKnown() && !hash.IsNull() && hash.LengthInt() == 0 && s.passwords(box) {
		s.Notes = append(s.Notes, fmt.Sprintf("%s has no password_hash in the files (%s), so that nobody can log in with a password yet.", box.Key, inst.Ref))
	}
	return s, nil
}

// passwords reports whether the files are where the password of a user is: not so
// where a directory has it.
func (s *MailSetup) passwords(box *schema.Resource) bool {
	return !strings.HasPrefix(box.Target, "ldap")
}

// mailSetupElse is about an address that is no user of the files.
func (d *Description) mailSetupElse(m expand.MailDomain, a schema.Address) (*MailSetup, error) {
	if r := d.resource(schema.KindRoute, m.Routes, a.String()); r != nil {
		members := r.Attrs.GetAttr("members")
		var names []string
		if members.IsWhollyKnown() {
			for _, v := range members.AsValueSlice() {
				names = append(names, v.AsString())
			}
		}
		if len(names) == 1 {
			return nil, fmt.Errorf("the address %s is another one of %s. \"mailform clients %s\" tells how mail programs are set up for it", a, names[0], names[0])
		}
		return nil, fmt.Errorf("the address %s has no mailbox: its mail goes to %s", a, strings.Join(names, ", "))
	}
	if m.Directory {
		s, err := d.mailSetup(m, "")
		if err != nil {
			return nil, err
		}
		s.Address = a.String()
		s.Notes = append(s.Notes, fmt.Sprintf("%s is no user of the files. Its domain has its users in a directory (%s), which has not been asked whether it is one of them.", a, m.Mailboxes))
		return s, nil
	}
	var users []string
	for i := range d.Resources {
		if r := &d.Resources[i]; r.Kind == schema.KindMailbox && r.Target == m.Mailboxes && strings.HasSuffix(r.Key, "@"+m.Host) {
			users = append(users, r.Key)
		}
	}
	return nil, &UnknownAddressError{a.String(), users}
}

// An UnknownAddressError says that the files have no such user or domain.
type UnknownAddressError struct {
	Name string
	// Known are those that there are.
	Known []string
}

func (e *UnknownAddressError) Error() string {
	if strings.Contains(e.Name, "@") {
		return fmt.Sprintf("there is no user %s in the files", e.Name)
	}
	return fmt.Sprintf("there is no domain %s in the files that has its mail at a server of theirs", e.Name)
}

func (d *Description) mailDomain(name string) (expand.MailDomain, error) {
	var names []string
	for _, m := range d.expanded.MailDomains {
		if m.Host == name && len(m.Servers) > 0 {
			return m, nil
		}
		if len(m.Servers) > 0 {
			names = append(names, m.Host)
		}
	}
	return expand.MailDomain{}, &UnknownAddressError{name, names}
}

func (d *Description) resource(kind, target, key string) *schema.Resource {
	for i := range d.Resources {
		if r := &d.Resources[i]; r.Kind == kind && r.Target == target && r.Key == key {
			return r
		}
	}
	return nil
}

func (d *Description) instance(address string) *config.Instance {
	for i := range d.Config.Instances {
		if d.Config.Instances[i].Ref.Block().String() == address {
			return &d.Config.Instances[i]
		}
	}
	return nil
}

// serverOf is the address of the server block that a user names; "" for none.
func serverOf(inst *config.Instance) (string, error) {
	v, _ := inst.Body.Attr("server")
	v, _ = v.Unmark()
	if v == cty.NilVal || v.IsKnown() && v.IsNull() {
		return "", nil
	}
	r, ok := schema.AsRef(v)
	if !ok {
		return "", fmt.Errorf("the server of %s hangs on values that are not known yet", inst.Ref)
	}
	return r.Block().String(), nil
}

// mailSetup is that of a domain, with the doors of one server before those of the
// others.
func (d *Description) mailSetup(m expand.MailDomain, first string) (*MailSetup, error) {
	servers := slices.Clone(m.Servers)
	if first != "" {
		servers = slices.Insert(slices.DeleteFunc(servers, func(s string) bool { return s == first }), 0, first)
	}
	var doors [][]clients.Door
	for _, address := range servers {
		srv := d.expanded.MailServers[address]
		if srv.Unknown {
			return nil, fmt.Errorf("where %s listens hangs on values that are not known yet: set its variables by -var", address)
		}
		doors = append(doors, srv.Doors)
	}
	s := &MailSetup{Setup: &clients.Setup{Domain: m.Host, Doors: clients.First(doors...)}}
	for i := range d.Resources {
		if r := &d.Resources[i]; r.Kind == schema.KindSetting && r.Address == servers[0]+".setting" {
			s.Certificate, s.Key = known(r, "tls_certificate"), known(r, "tls_key")
		}
	}
	if target := d.expanded.MailServers[servers[0]].Certificates; target != "" {
		for i := range d.Resources {
			if r := &d.Resources[i]; r.Kind == schema.KindProcess && r.Target == target {
				s.AuthorityFile = filepath.Join(r.Attrs.GetAttr("data_dir").AsString(), "tls", "ca.pem")
			}
		}
	}
	return s, nil
}

// known is a text of a resource; empty where it is not known yet.
func known(r *schema.Resource, name string) string {
	if v := r.Attrs.GetAttr(name); v.IsKnown() && !v.IsNull() {
		return v.AsString()
	}
	return ""
}

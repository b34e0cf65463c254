package expand

import (
	"fmt"
	"net/netip"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// readServerDirectory finds the directory that a server looks for its users in, and
// makes what its providers need to know for that.
func (e *expander) readServerDirectory(s section, srv *server) {
	v := s.attr("directory")
	_, b, f := v.ref()
	if f == unknown {
		e.needKnown(v.rng(), srv.addr+".directory")
	}
	if f != known || e.directories[b] == nil {
		return
	}
	srv.directory = e.directories[b]
	attrs, err := e.lookup(srv)
	if err != nil {
		v.errorf("Directory that a server cannot look in", "%s cannot find its users in %s: %s.", srv.addr, b.addr, err)
		return
	}
	e.add(srv.block, ".users", schema.KindLookup, srv.roles[roleStore], srv.label(), attrs)
	if srv.isPair() {
		e.add(srv.block, ".recipients", schema.KindLookup, srv.roles[roleMTA], srv.label(), attrs)
	}
}

// A plainReader reads arguments of a block, which may be null.
type plainReader struct {
	// unknown is set once one of them is not known yet.
	unknown bool
}

// get is an argument without marks; NilVal: it is left out, or not known.
func (r *plainReader) get(block cty.Value, name string) cty.Value {
	if block == cty.NilVal || block.IsNull() || !block.IsKnown() || !block.Type().HasAttribute(name) {
		return cty.NilVal
	}
	v, _ := block.GetAttr(name).UnmarkDeep()
	if !v.IsWhollyKnown() {
		r.unknown = true
		return cty.NilVal
	}
	if v.IsNull() {
		return cty.NilVal
	}
	return v
}

func (r *plainReader) text(block cty.Value, name string) string {
	if v := r.get(block, name); v != cty.NilVal {
		return v.AsString()
	}
	return ""
}

// lookup is what the block of a provider of directories says of how entries are
// found there.
func (e *expander) lookup(srv *server) (map[string]cty.Value, error) {
	target := srv.directory.target
	provider := e.providerBlock(target)
	r := &plainReader{}
	l := schema.Lookup{Owner: srv.label(), URL: r.text(provider, "url"), CAFile: r.text(provider, "ca_file")}
	if l.CAFile != "" {
		l.CAFile = e.absolute(l.CAFile)
	}
	if v := r.get(provider, "start_tls"); v != cty.NilVal {
		l.StartTLS = v.True()
	}
	if err := e.reaches(srv, l.URL); err != nil {
		return nil, err
	}
	if !isSet(provider, "read") {
		return nil, fmt.Errorf("it asks with the credentials of the block read of the provider %s, which has none. Those that write are left on no mail server", target)
	}
	read, _ := provider.GetAttr("read").Unmark()
	l.BindDN, l.BindPassword = r.text(read, "bind_dn"), r.text(read, "bind_password")
	users, aliases := schema.DirectoryAttributes()
	l.UsersBase, l.UsersFilter = r.entries(provider, "users", "inetOrgPerson", users)
	l.AliasesBase, l.AliasesFilter = r.entries(provider, "aliases", "mailformRoute", aliases)
	switch {
	case r.unknown:
	case l.UsersBase == "" || l.AliasesBase == "":
		return nil, fmt.Errorf("the provider %s does not say below which entries users and aliases are. Give it a base", target)
	case l.BindPassword == "":
		return nil, fmt.Errorf("the bind_password in the block read of the provider %s is empty", target)
	}
	l.UserAddress, l.UserQuota, l.UserProtocols, l.UserMail = users["address"], users["quota"], users["protocols"], users["mail"]
	l.AliasAddress, l.AliasMembers, l.AliasKeepCopy = aliases["address"], aliases["members"], aliases["keep_copy"]
	external, named := aliases["external"]
	if l.AliasExternal = external; !named {
		l.AliasExternal = schema.ExternalMembers(l.AliasMembers)
	}
	attrs := l.Attrs()
	if r.unknown {
		for name, v := range attrs {
			if name != "owner" {
				attrs[name] = cty.UnknownVal(v.Type())
			}
		}
	}
	return attrs, nil
}

// reaches refuses a directory that is only there on this machine, for a server on
// another.
func (e *expander) reaches(srv *server, url string) error {
	where, err := schema.ParseLDAP(url)
	if err != nil {
		return nil //nolint:nilerr // said where the block is read, or not known
	}
	here := where.Scheme == "ldapi" || where.Host == "localhost"
	if a, err := netip.ParseAddr(where.Host); err == nil {
		here = a.Unmap().IsLoopback()
	}
	for _, r := range []role{roleMTA, roleStore} {
		if here && e.machine(srv.roles[r]) != "" {
			return fmt.Errorf("%s is on another machine, where %s is not the directory. Give the provider %s a url that is good on both", srv.roles[r], url, srv.directory.target)
		}
	}
	return nil
}

// entries are the base and the filter of a block of a provider of directories. The
// names that it gives to attributes come into those that are standard.
func (r *plainReader) entries(provider cty.Value, name, class string, names map[string]string) (base, filter string) {
	block := r.get(provider, name)
	if base = r.text(block, "base"); base == "" {
		base = r.text(provider, "base")
	}
	if classes := r.get(block, "object_classes"); classes != cty.NilVal && classes.LengthInt() > 0 {
		class = classes.AsValueSlice()[0].AsString()
	}
	if attributes := r.get(block, "attributes"); attributes != cty.NilVal {
		for role, a := range attributes.AsValueMap() {
			names[role] = ""
			if !a.IsNull() {
				names[role] = a.AsString()
			}
		}
	}
	filter = "(objectClass=" + class + ")"
	if more := r.text(block, "filter"); more != "" {
		filter = "(&" + filter + more + ")"
	}
	return base, filter
}

// providerBlock is the value of the block of a target; NilVal: there is none.
func (e *expander) providerBlock(target string) cty.Value {
	for i := range e.cfg.Providers {
		if p := &e.cfg.Providers[i]; p.Target() == target && !p.Value.IsNull() {
			v, _ := p.Value.Unmark()
			return v
		}
	}
	return cty.NilVal
}

// isSet reports whether a block has an argument, known or not.
func isSet(block cty.Value, name string) bool {
	return block != cty.NilVal && block.Type().IsObjectType() && block.Type().HasAttribute(name) && !block.GetAttr(name).IsNull()
}

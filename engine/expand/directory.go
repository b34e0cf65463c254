package expand

// A directory is a directory block.
type directory struct {
	*block
	target string
}

func (e *expander) readDirectories() {
	for _, b := range e.byType["directory"] {
		if roles, ok := e.section(b).roles([]role{roleDirectory}); ok {
			e.directories[b] = &directory{b, roles[roleDirectory]}
		}
	}
}

// readDomainDirectory finds the directory of a domain that no server of ours
// serves.
func (e *expander) readDomainDirectory(d *domain) {
	v := d.from("directory").attr("directory")
	_, b, f := v.ref()
	switch {
	case f == absent:
	case f == unknown || e.directories[b] == nil:
		d.unsure = true
	case d.primary() != nil && d.primary().directory == e.directories[b]:
	case d.primary() != nil && d.primary().directory != nil:
		v.errorf("Users in two places", "%s takes mail for %s and finds its users in %s, not in %s. Leave out directory here, or name the same one.", d.primary().addr, d.host, d.primary().directory.addr, b.addr)
	case d.primary() != nil:
		v.errorf("Users in two places", "%s takes mail for %s and holds its users itself: it does not look for them in %s. Leave out directory here and write it in the block of the server, or leave out the server.", d.primary().addr, d.host, b.addr)
	case !d.unsure:
		d.directory = e.directories[b]
	}
}

// A home is where what belongs to a domain is kept.
type home struct {
	// mailboxes and routes are targets.
	mailboxes, routes string
	// server keeps them; nil where a directory does, whether a server of ours looks
	// there or not.
	server *server
}

// home is that which a server of ours gives.
func (srv *server) home() home {
	if srv.directory != nil {
		return home{mailboxes: srv.directory.target, routes: srv.directory.target}
	}
	return home{mailboxes: srv.roles[roleStore], routes: srv.roles[roleMTA], server: srv}
}

// home is where the users of a domain are kept that name no server, and its
// routes. It reports false where there is no such place.
func (d *domain) home() (home, bool) {
	switch p := d.primary(); {
	case d.directory != nil:
		return home{mailboxes: d.directory.target, routes: d.directory.target}, true
	case p != nil:
		return p.home(), true
	}
	return home{}, false
}

// served reports whether the addresses of a domain are kept by one of us.
func (d *domain) served() bool { return d.directory != nil || d.primary() != nil }

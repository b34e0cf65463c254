package expand

import (
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// addProxies says who may speak for the clients of a server.
func (e *expander) addProxies(whole section, srv *server) {
	s, ok := whole.nested("proxy_protocol")
	if !ok {
		return
	}
	for _, r := range []role{roleMTA, roleStore} {
		if target := srv.roles[r]; !runs(target) {
			whole.attr("proxy_protocol").errorf("Server that others make",
				"%s has no attribute for what a block proxy_protocol says: its own configuration decides that. Leave out proxy_protocol.", target)
			return
		}
	}
	from, f := readList(s.attr("from"), network)
	e.add(srv.block, ".proxy_protocol", schema.KindProxy, srv.roles[roleMTA], srv.label(), map[string]cty.Value{
		"owner": cty.StringVal(srv.label()),
		"from":  list(from, orZero(f)),
	})
}

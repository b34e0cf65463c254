package expand

import (
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// addLocations makes what a server says of where its mail and its queue lie.
func (e *expander) addLocations(s section, srv *server) {
	for _, l := range []struct {
		content string
		role    role
	}{{"storage", roleStore}, {"index", roleStore}, {"queue", roleMTA}} {
		sub, written := s.nested(l.content)
		if !written {
			continue
		}
		target, path := srv.roles[l.role], sub.attr("path")
		if path.fact() == absent {
			continue
		}
		if why := refusesLocation(target, l.content); why != "" {
			path.errorf("Setting that the provider does not have", "%s of %s: %s %s.", path.path, srv.addr, target, why)
			continue
		}
		e.add(srv.block, "."+l.content, schema.KindLocation, target, l.content, map[string]cty.Value{
			"content":  cty.StringVal(l.content),
			"path":     orUnknown(read(path, e.path)),
			"messages": nullNumber,
			"bytes":    nullNumber,
			"free":     nullNumber,
		})
	}
}

// refusesLocation says why a provider cannot move something; empty: it can.
func refusesLocation(target, content string) string {
	p := schema.ProviderByName(providerOf(target))
	switch {
	case p == nil:
		return ""
	case providerOf(target) == schema.DefaultProvider && content == "queue":
		return "has its queue in its store, which a block storage moves"
	}
	return ""
}

package expand

import (
	"errors"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// submissionAt says which of the two servers of a pair users submit mail to. Nowhere
// may anybody send in another's name: the one that takes mail has to believe the
// other who the user is, and that one has to be able to say so.
func (e *expander) submissionAt(sub section, srv *server) (target string, ok bool) {
	mta, store := srv.roles[roleMTA], srv.roles[roleStore]
	v := sub.attr("offered_by")
	switch by, f := v.str("mta"); {
	case f == unknown:
		e.needKnown(v.rng(), srv.addr+"."+v.path)
		return "", false
	case by != "store" || !srv.isPair():
		return mta, true
	}
	switch {
	case providerOf(store) != "dovecot":
		v.errorf("Submission where there is none", "%s cannot offer submission for %s: of the providers that keep mail, dovecot alone has such a service. Leave out offered_by, and %s offers it.", store, srv.addr, mta)
	case providerOf(mta) != "postfix":
		v.errorf("Submission without the user's name", "%s cannot be told by %s who has logged in (XCLIENT), so anybody could send in anybody's name: of the providers that take mail, postfix alone can. Leave out offered_by, and %s offers submission.", mta, store, mta)
	case e.machine(mta) != e.machine(store):
		v.errorf("Submission across machines", "%s believes whoever reaches it who the user is, so %s has to be on the same machine. Leave out offered_by, and %s offers submission.", mta, store, mta)
	default:
		srv.front = true
		return store, true
	}
	return "", false
}

// addSubmitted makes the way that mail of users takes from the server that they submit
// it to. Nobody else may get there.
func (e *expander) addSubmitted(s section, srv *server) {
	sub, written := s.nested("submitted")
	e.add(srv.block, ".handing", schema.KindSubmission, srv.roles[roleStore], srv.label(), map[string]cty.Value{
		"owner": cty.StringVal(srv.label()),
		"relay": e.addInner(srv, roleMTA, "submitted", parseLoopback, sub, written),
	})
}

// parseLoopback reads an address to listen on that nobody else gets at.
func parseLoopback(s string) (string, error) {
	listen, err := schema.ParseListen(s)
	if err != nil {
		return "", err
	}
	if !onLoopback(listen) {
		return "", errors.New("it is no loopback address, and whoever reaches it could send in anybody's name: 127.0.0.1:10587 is one")
	}
	return listen, nil
}

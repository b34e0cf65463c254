package smtp

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/dnsbl"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/verify"
)

// A Greylist puts off senders that nobody knows; *store.Store is one.
type Greylist interface {
	Greylist(ctx context.Context, g store.Greylisting, client netip.Addr, sender, recipient string) (wait time.Duration, err error)
}

// A listing is what the lists say of the client of a connection, once they have.
type listing struct {
	done chan struct{}
	dnsbl.Result
}

// startLists asks the lists about the client of a connection, while the client is still
// talking.
func (s *Server) startLists(w *wire) {
	settings := s.o.Settings()
	client := clientOf(w)
	if s.o.Mode != MTA || s.o.Lists == nil || len(settings.Lists) == 0 || exempt(settings.Exempt, client) {
		return
	}
	l := &listing{done: make(chan struct{})}
	w.listing = l
	s.work.Go(func() {
		defer close(l.done)
		l.Result = dnsbl.Check(s.group.Context(), s.o.Lists, settings.Lists, client)
		for _, f := range l.Failures {
			s.o.Logger.Warn("a list does not answer", "list", f.Zone, "remote", w.RemoteAddr().String(), "error", f.Err)
		}
	})
}

// listed is what the lists say of the client; it waits for them.
func (s *session) listed() dnsbl.Result {
	if s.w.listing == nil {
		return dnsbl.Result{}
	}
	<-s.w.listing.done
	return s.w.listing.Result
}

// refuseListed refuses a recipient where lists have the client. Those who look after the
// mail here are reached all the same, by whoever wants to be taken off (RFC 5782 §7).
func (s *session) refuseListed(tx *transaction, a address) error {
	r := s.listed()
	if len(r.Hits) > 0 && tx.listed == nil {
		tx.listed = r.Results()
		s.srv.o.Logger.Info("client is listed", "id", tx.id, "from", tx.from.path(), "remote", s.w.RemoteAddr().String(),
			"lists", strings.Join(tx.listed, "; "))
	}
	h := r.Refused()
	if h == nil || caretaker(a) {
		return nil
	}
	s.srv.o.Limited("dnsbl")
	text := fmt.Sprintf("Client [%v] is listed at %s", s.client(), h.Zone)
	if h.Reason != "" {
		text += ": " + reasonLine(h.Reason)
	}
	return reply(550, 5, 7, 1, text)
}

// caretaker says whether an address is one that has to be reached (RFC 2142).
func caretaker(a address) bool {
	local := strings.ToLower(a.Local)
	return local == "postmaster" || local == "abuse"
}

// putOff puts a sender off that nobody knows.
func (s *session) putOff(ctx context.Context, tx *transaction, a address) error {
	settings := s.srv.o.Settings()
	g := settings.Greylist
	if s.srv.o.Mode != MTA || s.srv.o.Greylist == nil || g == nil || caretaker(a) ||
		exempt(settings.Exempt, s.client()) || exempt(g.Exempt, s.client()) || s.listed().Allowed() {
		return nil
	}
	if g.PassSPF {
		s.startSPF(tx)
		if tx.spf.wait().Result == verify.Pass {
			return nil
		}
	}
	wait, err := s.srv.o.Greylist.Greylist(ctx, g.Greylisting, s.client(), tx.from.path(), a.key())
	if err != nil {
		// Mail is never held up by what only keeps spam away.
		s.srv.o.Logger.Error("smtp: greylist", "remote", s.w.RemoteAddr().String(), "error", err)
		return nil
	}
	if wait == 0 {
		return nil
	}
	s.srv.o.Limited("greylist")
	seconds, unit := int((wait+time.Second-1)/time.Second), "seconds"
	if seconds == 1 {
		unit = "second"
	}
	return reply(451, 4, 7, 1, fmt.Sprintf("Greylisted, try again in %d %s", seconds, unit))
}

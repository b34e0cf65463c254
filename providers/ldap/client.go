package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/mailform/mailform/providers/ldap/ldapconn"
	"github.com/mailform/mailform/schema"
)

// A server is where a directory is and how one gets in.
type server struct {
	url      string // as it is written
	at       schema.LDAPServer
	startTLS bool
	caFile   string
	timeout  time.Duration
	pageSize uint32
}

// credentials say who asks. Without a name nobody does, or whoever owns this
// process where the server is asked by a socket.
type credentials struct{ dn, password string }

// A client is some connections to a directory for the time of one piece of work.
// It may be used by many goroutines at once.
type client struct {
	*server
	who   credentials
	conns []*ldapconn.Paged
	next  chan *ldapconn.Paged // takes turns
	stop  func() bool
}

// connect opens connections. They end with the context, which also ends what is
// being waited for.
func (s *server) connect(ctx context.Context, who credentials, count int) (*client, error) {
	c := &client{server: s, who: who, next: make(chan *ldapconn.Paged, count)}
	c.stop = func() bool { return true }
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	conns, errs := make([]*ldapconn.Paged, count), make([]error, count)
	for i := range count {
		wg.Go(func() { conns[i], errs[i] = s.open(ctx, who) })
	}
	wg.Wait()
	for _, conn := range conns {
		if conn != nil {
			c.conns = append(c.conns, conn)
			c.next <- conn
		}
	}
	if err := errors.Join(errs[:1]...); err != nil || len(c.conns) == 0 {
		c.close()
		return nil, err
	}
	c.stop = context.AfterFunc(ctx, c.hangUp)
	return c, nil
}

// hangUp ends all connections.
func (c *client) hangUp() {
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

func (c *client) close() {
	c.stop()
	c.hangUp()
}

// conn is one of the connections, each in its turn.
func (c *client) conn() *ldapconn.Paged {
	conn := <-c.next
	c.next <- conn
	return conn
}

// open opens one connection and says who asks.
func (s *server) open(ctx context.Context, who credentials) (*ldapconn.Paged, error) {
	conn, err := ldapconn.OpenPaged(ctx, ldapconn.Options{Server: s.at, StartTLS: s.startTLS, CAFile: s.caFile, Timeout: s.timeout})
	var noTLS *ldapconn.TLSError
	switch {
	case errors.As(err, &noTLS):
		return nil, s.badTLS(ctx, noTLS.Err)
	case errors.Is(err, ldapconn.ErrAuthorities):
		return nil, fmt.Errorf("ca_file: %w", err)
	case err != nil:
		return nil, s.unreached(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	switch {
	case who.dn != "":
		_, err = conn.SimpleBind(&goldap.SimpleBindRequest{Username: who.dn, Password: who.password})
	case s.at.Scheme == "ldapi":
		err = conn.ExternalBind()
	}
	if err != nil {
		_ = conn.Close()
		return nil, s.badLogin(ctx, who, err)
	}
	return conn, nil
}

// A search is what is looked for.
type search struct {
	base       string
	scope      int
	filter     string
	attributes []string
}

// find hands all entries that are found to each, page by page, while the next page
// is on its way. A search that ends before all are found is an error: part of the
// truth is none.
func (c *client) find(ctx context.Context, s search, each func(*goldap.Entry) error) error {
	pages := make(chan []*goldap.Entry, 1)
	stopped := make(chan error, 1)
	go func() {
		var err error
		for page := range pages {
			for _, e := range page {
				if err == nil {
					err = each(e)
				}
			}
		}
		stopped <- err
	}()
	err := c.pages(ctx, s, pages)
	close(pages)
	return cmp.Or(err, <-stopped)
}

// pages sends what a search finds.
func (c *client) pages(ctx context.Context, s search, pages chan<- []*goldap.Entry) error {
	paging := goldap.NewControlPaging(c.pageSize)
	request := goldap.NewSearchRequest(s.base, s.scope, goldap.NeverDerefAliases, 0, 0, false, s.filter, s.attributes, []goldap.Control{paging})
	conn := c.conn()
	for {
		result, err := conn.Page(request)
		if err != nil {
			return c.explain(ctx, err, s.base)
		}
		pages <- result.Entries
		more, ok := goldap.FindControl(result.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		if !ok || len(more.Cookie) == 0 {
			return nil
		}
		paging.SetCookie(more.Cookie)
	}
}

// entry reads one entry by its name; nil: it is not there.
func (c *client) entry(ctx context.Context, dn string, attributes []string) (*goldap.Entry, error) {
	request := goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", attributes, nil)
	result, err := c.conn().Search(request)
	switch {
	case goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject):
		return nil, nil
	case err != nil:
		return nil, c.explain(ctx, err, dn)
	case len(result.Entries) == 0:
		return nil, nil
	}
	return result.Entries[0], nil
}

// OIDs of what a server can do beyond the least.
const (
	controlAssertion = "1.3.6.1.1.12" // RFC 4528
)

// Facts are what a server tells of itself.
type facts struct {
	asserts  bool   // takes assertions
	contexts string // its tree, if it has one
	subschema
}

// facts asks a server for its root entry (RFC 4512 §5.1) and its schema.
func (c *client) facts(ctx context.Context) (*facts, error) {
	f := &facts{subschema: subschema{unknown: true}}
	root, err := c.entry(ctx, "", []string{"namingContexts", "supportedControl", "subschemaSubentry"})
	if err != nil {
		return nil, err
	}
	if root == nil {
		return f, nil
	}
	for _, oid := range root.GetAttributeValues("supportedControl") {
		f.asserts = f.asserts || oid == controlAssertion
	}
	if contexts := root.GetAttributeValues("namingContexts"); len(contexts) == 1 {
		f.contexts = contexts[0]
	}
	at := root.GetAttributeValue("subschemaSubentry")
	if at == "" {
		return f, nil
	}
	request := goldap.NewSearchRequest(at, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false, "(objectClass=subschema)", []string{"attributeTypes", "objectClasses"}, nil)
	result, err := c.conn().Search(request)
	switch {
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultNoSuchObject, goldap.LDAPResultInsufficientAccessRights):
		return f, nil
	case err != nil:
		return nil, c.explain(ctx, err, at)
	case len(result.Entries) == 1:
		f.subschema = *newSubschema(result.Entries[0].GetAttributeValues("attributeTypes"), result.Entries[0].GetAttributeValues("objectClasses"))
	}
	return f, nil
}

// quiet takes passwords out of a text, should a server have put them there.
func quiet(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "(sensitive value)")
		}
	}
	return text
}

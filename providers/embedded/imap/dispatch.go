package imap

import (
	"context"
	"fmt"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/store"
)

// dispatch carries out a command that is valid in the state of the session.
func (c *conn) dispatch(ctx context.Context, cmd *command.Command) (result, error) {
	switch a := cmd.Args.(type) {
	case command.Capability:
		c.w.Line("* CAPABILITY " + c.capabilities())
		return result{}, nil
	case command.Noop, command.Check:
		if c.view == nil {
			return result{}, nil
		}
		return result{}, c.refresh(ctx, true)
	case command.Logout:
		c.w.Line("* BYE Logging out")
		c.done = true
		return result{}, nil
	case *command.ID:
		return c.id()
	case command.StartTLS:
		return c.cmdStartTLS(cmd)
	case *command.Authenticate:
		return c.authenticate(ctx, a)
	case *command.Login:
		return c.cmdLogin(ctx, a)
	case *command.Enable:
		return c.enable(a)
	case command.Namespace:
		c.w.Line(`* NAMESPACE (("" "/")) (("` + store.OthersPrefix + `" "/")) (("` + store.SharedPrefix + `" "/"))`)
		return result{}, nil
	case command.Idle:
		return c.idle(ctx)
	case *command.GetQuota:
		return c.getQuota(ctx, a)
	case *command.GetQuotaRoot:
		return c.getQuotaRoot(ctx, a)
	case *command.GetMetadata:
		return c.getMetadata(ctx, a)
	case *command.SetMetadata:
		return c.setMetadata(ctx, a)
	}
	return c.dispatchMailbox(ctx, cmd)
}

// dispatchMailbox carries out the commands on mailboxes and messages.
func (c *conn) dispatchMailbox(ctx context.Context, cmd *command.Command) (result, error) {
	switch a := cmd.Args.(type) {
	case *command.Select:
		return c.cmdSelect(ctx, a)
	case *command.Create:
		return c.create(ctx, a)
	case *command.Delete:
		return c.delete(ctx, a)
	case *command.Rename:
		return c.rename(ctx, a)
	case *command.GetACL:
		return c.getACL(ctx, a)
	case *command.SetACL:
		return c.setACL(ctx, a)
	case *command.ListRights:
		return c.listRights(ctx, a)
	case *command.MyRights:
		return c.myRights(ctx, a)
	case *command.Subscribe:
		return c.subscribe(ctx, a)
	case *command.List:
		return c.list(ctx, a)
	case *command.LSub:
		return c.lsub(ctx, a)
	case *command.Status:
		return c.cmdStatus(ctx, a)
	case *command.Append:
		return c.append(ctx, a)
	case command.Close:
		return c.close(ctx)
	case command.Unselect:
		c.leave()
		return result{}, nil
	case *command.Expunge:
		return c.expunge(ctx, a)
	case *command.Search:
		return c.search(ctx, cmd.Tag, a)
	case *command.Sort:
		return c.sort(ctx, cmd.Tag, a)
	case *command.Thread:
		return c.thread(ctx, a)
	case *command.Fetch:
		return c.fetch(ctx, a)
	case *command.Store:
		return c.store(ctx, a)
	case *command.Copy:
		return c.copy(ctx, a)
	}
	return result{}, fmt.Errorf("no handler for %s", cmd.Name)
}

// mayExpunge says whether EXPUNGE responses may come before the end of the
// command: not where sequence numbers are under way (RFC 9051 §7.5.1).
func mayExpunge(cmd *command.Command) bool {
	switch cmd.Name {
	case "FETCH", "STORE", "SEARCH", "SORT", "THREAD":
		return false
	}
	return true
}

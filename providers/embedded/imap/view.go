package imap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/store"
)

// A view is the selected mailbox as the client knows it. The index of a message
// in msgs plus one is its sequence number.
type view struct {
	mailbox  *store.SharedMailbox
	readOnly bool
	watch    *store.Watch

	msgs   []store.Message // by rising UID
	modseq uint64          // what of the store is in msgs
	// stale says that the store has more than modseq, as far as is known.
	stale bool
	// told is how many of msgs the client knows by EXISTS; the rest is new.
	told int
	// gone holds the UIDs of messages that are in msgs although the store has
	// them no more: the client has not been told yet, their numbers still count.
	gone map[uint32]struct{}
	// keywords that FLAGS has named.
	keywords map[string]struct{}
	// saved is the result variable "$" (RFC 5182); UIDs that are gone in the
	// meantime find nothing.
	saved []uint32
}

// index finds a message by UID; -1 if the view does not have it.
func (v *view) index(uid uint32) int {
	i, found := slices.BinarySearchFunc(v.msgs, uid, func(m store.Message, uid uint32) int {
		return cmp.Compare(m.UID, uid)
	})
	if !found {
		return -1
	}
	return i
}

func (v *view) isGone(i int) bool {
	_, gone := v.gone[v.msgs[i].UID]
	return gone
}

// replace puts in messages as the store has returned them from a change of ours,
// so that the change is no news later.
func (v *view) replace(changed []store.Message) {
	for _, m := range changed {
		if i := v.index(m.UID); i >= 0 {
			v.msgs[i] = m
		}
	}
}

// load takes in what happened in the store. It returns the indexes of messages
// the client knows that have other flags now.
func (v *view) load(ctx context.Context, st *store.Store) (changed []int, err error) {
	ch, err := st.Changes(ctx, v.mailbox.ID, v.modseq)
	if errors.Is(err, store.ErrNotFound) {
		ch, err = store.MailboxChanges{Gone: true}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("changes of mailbox %d: %w", v.mailbox.ID, err)
	}
	if ch.Gone {
		// To this session the mailbox is empty from now on.
		for _, m := range v.msgs {
			v.gone[m.UID] = struct{}{}
		}
		return nil, nil
	}
	for _, m := range ch.Changed {
		if i := v.index(m.UID); i >= 0 {
			if v.msgs[i].ModSeq != m.ModSeq {
				v.msgs[i] = m
				if i < v.told {
					changed = append(changed, i)
				}
			}
		} else if n := len(v.msgs); n == 0 || v.msgs[n-1].UID < m.UID {
			v.msgs = append(v.msgs, m)
		}
	}
	for _, uid := range ch.Vanished {
		if v.index(uid) >= 0 {
			v.gone[uid] = struct{}{}
		}
	}
	v.modseq = ch.ModSeq
	return changed, nil
}

// lastUID is the highest UID, 0 in an empty mailbox.
func (v *view) lastUID() uint32 {
	if len(v.msgs) == 0 {
		return 0
	}
	return v.msgs[len(v.msgs)-1].UID
}

// resolve turns a set into rising indexes. UIDs without message are left out. A
// sequence number without one is an error when strict (RFC 9051 §9, seq-number).
func (v *view) resolve(set imap.NumSet, strict bool) ([]int, error) {
	switch set := set.(type) {
	case imap.SeqSet:
		return v.resolveSeq(set, strict)
	case imap.UIDSet:
		if imap.IsSearchRes(set) {
			var out []int
			for _, uid := range v.saved {
				if i := v.index(uid); i >= 0 && i < v.told {
					out = append(out, i)
				}
			}
			return out, nil
		}
		return v.resolveUID(set), nil
	}
	return nil, fmt.Errorf("unknown number set %T", set)
}

func (v *view) resolveSeq(set imap.SeqSet, strict bool) ([]int, error) {
	var out []int
	last := uint32(v.told)
	for _, r := range set {
		from, to := r.Start, r.Stop
		if strict && (from > last && to != 0 || to > last) {
			return nil, bad("No message of that number")
		}
		if from == 0 {
			from = last
		}
		if to == 0 {
			to = last
		}
		if from > to {
			from, to = to, from // n:* with n beyond the end is *:n
		}
		for n := max(from, 1); n <= min(to, last); n++ {
			out = append(out, int(n)-1)
		}
	}
	return compact(out), nil
}

func (v *view) resolveUID(set imap.UIDSet) []int {
	var out []int
	last := v.lastUID()
	for _, r := range set {
		from, to := uint32(r.Start), uint32(r.Stop)
		if from == 0 {
			from = last
		}
		if to == 0 {
			to = last
		}
		if from > to {
			from, to = to, from
		}
		i := sort.Search(v.told, func(i int) bool { return v.msgs[i].UID >= from })
		for ; i < v.told && v.msgs[i].UID <= to; i++ {
			out = append(out, i)
		}
	}
	return compact(out)
}

// compact sorts indexes and takes out doubles; "*" may lie within another range.
func compact(out []int) []int {
	if !slices.IsSorted(out) {
		slices.Sort(out)
	}
	return slices.Compact(out)
}

// uids returns the UIDs of the messages at the indexes that are still there.
func (v *view) uids(indexes []int) []uint32 {
	out := make([]uint32, 0, len(indexes))
	for _, i := range indexes {
		if !v.isGone(i) {
			out = append(out, v.msgs[i].UID)
		}
	}
	return out
}

// uidSet makes a set of rising UIDs.
func uidSet(uids []uint32) imap.UIDSet {
	var set imap.UIDSet
	for _, u := range uids {
		if n := len(set); n > 0 && uint32(set[n-1].Stop)+1 == u {
			set[n-1].Stop = imap.UID(u)
		} else {
			set = append(set, imap.UIDRange{Start: imap.UID(u), Stop: imap.UID(u)})
		}
	}
	return set
}

// seqSet makes a set of the sequence numbers of rising indexes.
func seqSet(indexes []int) imap.SeqSet {
	var set imap.SeqSet
	for _, i := range indexes {
		seq := uint32(i) + 1
		if n := len(set); n > 0 && set[n-1].Stop+1 == seq {
			set[n-1].Stop = seq
		} else {
			set = append(set, imap.SeqRange{Start: seq, Stop: seq})
		}
	}
	return set
}

package plan

import "testing"

func TestPatternsNameAddresses(t *testing.T) {
	for _, c := range []struct {
		pattern, address string
		want             bool
	}{
		{"user.alice", "user.alice.mailbox", true},
		{"user.alice", "user.alice", true},
		{"user.al", "user.alice.mailbox", false},
		{"user.staff", `user.staff["bob"].mailbox`, true},
		{`user.staff["b*"]`, `user.staff["b.o]b"].mailbox`, true},
		{`user.staff["b*"]`, `user.staff["alice"].mailbox`, false},
		{"user.a*", "user.alice.mailbox", true},
		{"*.mx", "domain.example.mx", true},
		{"*.mx", "domain.example.mxx", false},
		{"user.?ob", "user.bob.mailbox", true},
		{"user.?ob", "user.bbob.mailbox", false},
		{"domain.(x|*", "domain.(x|y", true},
		{"domain*", "user.domain", false},
		{`record.all["*"]`, `record.all["*"]`, true},
	} {
		p := newPattern(c.pattern)
		if got := p.covers(c.address); got != c.want {
			t.Errorf("%s covers %s: got %v", c.pattern, c.address, got)
		}
	}
}

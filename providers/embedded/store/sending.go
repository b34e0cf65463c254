package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// SendLimits are how much a user may send; 0: any number.
type SendLimits struct {
	MessagesPerHour, MessagesPerDay     int
	RecipientsPerHour, RecipientsPerDay int
}

// A Sending is a message of a user that counts.
type Sending struct {
	Account    int64
	Recipients int
	Limits     SendLimits
}

// A SendLimitError says that a user has sent as much as he may.
type SendLimitError struct {
	// Limit is its name, as "user_messages_per_hour".
	Limit string
	// Again is when there is room again.
	Again time.Time
}

func (e *SendLimitError) Error() string {
	return fmt.Sprintf("%s is reached until %s", e.Limit, e.Again.Format(time.RFC3339))
}

// sendingTables have what users have sent, by slots of five minutes since 1970.
var sendingTables = []string{
	`CREATE TABLE sent (
		account BIGINT NOT NULL REFERENCES account (id),
		slot BIGINT NOT NULL,
		messages BIGINT NOT NULL,
		recipients BIGINT NOT NULL,
		PRIMARY KEY (account, slot)
	) {clustered}`,
}

// sendSlot is how exactly the time of a message is remembered. It counts from then on
// for the whole of an hour or a day, and never for less.
const sendSlot = 5 * time.Minute

// sent is what a user has sent in one slot.
type sent struct {
	slot                 int64 // its number since 1970
	messages, recipients int
}

// lookBack is the first slot that still counts at a time.
func lookBack(now time.Time, period time.Duration) int64 {
	return now.Add(-period).Unix() / int64(sendSlot/time.Second)
}

// check says whether there is room for one more message with so many recipients;
// with none, for the next one.
func (l SendLimits) check(have []sent, recipients int, now time.Time) error {
	for _, one := range []struct {
		name    string
		most    int
		period  time.Duration
		more    int
		counted func(sent) int
	}{
		{"user_messages_per_hour", l.MessagesPerHour, time.Hour, 1, func(s sent) int { return s.messages }},
		{"user_messages_per_day", l.MessagesPerDay, 24 * time.Hour, 1, func(s sent) int { return s.messages }},
		{"user_recipients_per_hour", l.RecipientsPerHour, time.Hour, max(recipients, 1), func(s sent) int { return s.recipients }},
		{"user_recipients_per_day", l.RecipientsPerDay, 24 * time.Hour, max(recipients, 1), func(s sent) int { return s.recipients }},
	} {
		if one.most == 0 {
			continue
		}
		from, total := lookBack(now, one.period), 0
		for _, s := range have {
			if s.slot >= from {
				total += one.counted(s)
			}
		}
		again := now
		for _, s := range have { // by rising time: who leaves the period first
			if total+one.more <= one.most {
				break
			}
			if s.slot >= from && one.counted(s) > 0 {
				total -= one.counted(s)
				again = time.Unix((s.slot+1)*int64(sendSlot/time.Second), 0).Add(one.period)
			}
		}
		if total+one.more > one.most {
			again = now.Add(one.period) // more at once than there may be in all
		}
		if again.After(now) {
			return &SendLimitError{one.name, again}
		}
	}
	return nil
}

const selectSent = `SELECT slot, messages, recipients FROM sent WHERE account = ? AND slot >= ? ORDER BY slot`

func scanSent(into *[]sent) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var s sent
		err := r.Scan(&s.slot, &s.messages, &s.recipients)
		*into = append(*into, s)
		return err
	}
}

// MaySend says whether a user may begin a message, with so many recipients by now.
// Accept decides. The error is a [*SendLimitError].
func (s *Store) MaySend(ctx context.Context, m Sending) error {
	if m.Limits == (SendLimits{}) {
		return nil
	}
	now := s.now()
	var have []sent
	if err := s.read.rows(ctx, selectSent, []any{m.Account, lookBack(now, 24*time.Hour)}, scanSent(&have)); err != nil {
		return fmt.Errorf("read what account %d has sent: %w", m.Account, err)
	}
	return m.Limits.check(have, m.Recipients, now)
}

// countSent counts a message of a user, or refuses it. It is in the transaction that
// takes the message, so that nothing is forgotten and nothing counts that was not taken.
func (t *tx) countSent(m *Sending, now time.Time) error {
	if m == nil || m.Limits == (SendLimits{}) {
		return nil
	}
	oldest := lookBack(now, 24*time.Hour)
	var have []sent
	if err := t.rows(selectSent, []any{m.Account, oldest}, scanSent(&have)); err != nil {
		return err
	}
	if err := m.Limits.check(have, m.Recipients, now); err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM sent WHERE account = ? AND slot < ?`, m.Account, oldest); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO sent (account, slot, messages, recipients) VALUES (?, ?, 1, ?)
		ON CONFLICT (account, slot) DO UPDATE SET messages = sent.messages + 1, recipients = sent.recipients + excluded.recipients`,
		m.Account, now.Unix()/int64(sendSlot/time.Second), m.Recipients)
	return err
}

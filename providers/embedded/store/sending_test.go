package store

import (
	"errors"
	"testing"
	"time"
)

func TestWhatAUserMaySend(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 2, 0, 0, time.UTC)
	slot := func(ago time.Duration) int64 { return now.Add(-ago).Unix() / 300 }
	const minute = time.Minute
	for name, tc := range map[string]struct {
		limits     SendLimits
		have       []sent
		recipients int
		limit      string
		again      time.Duration // from now
	}{
		"nothing is limited":               {SendLimits{}, []sent{{slot(0), 1000, 1000}}, 1, "", 0},
		"the first message":                {SendLimits{MessagesPerHour: 1}, nil, 1, "", 0},
		"one too many in the hour":         {SendLimits{MessagesPerHour: 2}, []sent{{slot(30 * minute), 1, 1}, {slot(10 * minute), 1, 1}}, 1, "user_messages_per_hour", 33 * minute},
		"several have to leave the hour":   {SendLimits{MessagesPerHour: 2}, []sent{{slot(30 * minute), 1, 1}, {slot(10 * minute), 2, 2}}, 1, "user_messages_per_hour", 53 * minute},
		"what is older than an hour":       {SendLimits{MessagesPerHour: 1}, []sent{{slot(66 * minute), 9, 9}}, 1, "", 0},
		"the same for the day":             {SendLimits{MessagesPerHour: 1, MessagesPerDay: 9}, []sent{{slot(66 * minute), 9, 9}}, 1, "user_messages_per_day", 22*time.Hour + 58*minute},
		"recipients that fit":              {SendLimits{RecipientsPerHour: 10}, []sent{{slot(0), 1, 7}}, 3, "", 0},
		"recipients that do not":           {SendLimits{RecipientsPerHour: 10}, []sent{{slot(0), 1, 7}}, 4, "user_recipients_per_hour", 63 * minute},
		"more than there may be in a day":  {SendLimits{RecipientsPerDay: 10}, nil, 11, "user_recipients_per_day", 24 * time.Hour},
		"nothing but what has no messages": {SendLimits{RecipientsPerDay: 1}, []sent{{slot(5 * minute), 0, 1}}, 1, "user_recipients_per_day", 23*time.Hour + 58*minute},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.limits.check(tc.have, tc.recipients, now)
			var limit *SendLimitError
			if !errors.As(err, &limit) {
				limit = &SendLimitError{}
			}
			if limit.Limit != tc.limit {
				t.Fatalf("%v, want %q", err, tc.limit)
			}
			if tc.limit != "" && limit.Again.Sub(now) != tc.again {
				t.Errorf("again in %v, want %v", limit.Again.Sub(now), tc.again)
			}
			if tc.limit != "" && tc.again < 24*time.Hour {
				var then []sent
				for _, s := range tc.have {
					if s.slot >= lookBack(limit.Again, 24*time.Hour) {
						then = append(then, s)
					}
				}
				if err := tc.limits.check(then, tc.recipients, limit.Again.Add(time.Second)); err != nil {
					t.Errorf("when there is to be room again: %v", err)
				}
			}
		})
	}
}

package postfix

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A table is the text of a map of ours, which postmap builds: lines of a key and a
// value (postmap(1)), each with a comment before it that says whose it is.
type table struct {
	rows []row
	at   map[string]int // of the row with a key
}

// A row is an entry of a map.
type row struct {
	key, value string
	// mark is nil where somebody else has written the row.
	mark *mark
}

// A mark says whose a row is.
type mark struct {
	// Key is that of its row, in the text alone: a row that somebody puts in the place of
	// another one is his. Marks of earlier versions have none.
	Key     string `json:"key,omitempty"`
	Owner   string `json:"owner,omitempty"`   // address in the configuration
	Lineage string `json:"lineage,omitempty"` // of the state
	// Revision is another one after each change.
	Revision string `json:"revision,omitempty"`
	Type     string `json:"type,omitempty"` // of a route
	// Derived rows are nobody's: they follow from others.
	Derived bool `json:"derived,omitempty"`
}

const (
	tableHeader = "# Written by mailform. What is changed here by hand is put right by the next apply.\n"
	markPrefix  = "# mailform "
)

func newTable() *table { return &table{at: map[string]int{}} }

// parseTable reads the text of a map, also what somebody else has made of it. The
// first row of a key is the one that holds, as in postmap.
func parseTable(text []byte) *table {
	t := newTable()
	var m *mark
	for _, l := range logicalLines(text, &m) {
		key, value := l.key, l.value
		if _, twice := t.at[key]; !twice && key != "" {
			t.put(row{key, value, l.mark})
		}
	}
	return t
}

type tableLine struct {
	key, value string
	mark       *mark
}

func logicalLines(text []byte, m **mark) []tableLine {
	var out []tableLine
	for l := range strings.Lines(string(text)) {
		trimmed := strings.TrimSpace(l)
		switch {
		case trimmed == "":
		case trimmed[0] == '#':
			if rest, ok := strings.CutPrefix(l, markPrefix); ok {
				*m = &mark{}
				if json.Unmarshal([]byte(rest), *m) != nil {
					*m = nil
				}
			}
		case l[0] == ' ' || l[0] == '\t' || l[0] == '\v' || l[0] == '\f' || l[0] == '\r':
			if n := len(out); n > 0 {
				out[n-1].value = strings.TrimSpace(out[n-1].value + " " + trimmed)
			}
		default:
			key, value := trimmed, ""
			if i := strings.IndexAny(trimmed, " \t\v\f\r"); i >= 0 {
				key, value = trimmed[:i], strings.TrimSpace(trimmed[i:])
			}
			key = strings.ToLower(key)
			if *m != nil && (*m).Key != "" && (*m).Key != key {
				*m = nil
			}
			if *m != nil {
				(*m).Key = ""
			}
			out = append(out, tableLine{key, value, *m})
			*m = nil
		}
	}
	return out
}

func (t *table) get(key string) (row, bool) {
	i, ok := t.at[key]
	if !ok {
		return row{}, false
	}
	return t.rows[i], true
}

func (t *table) put(r row) {
	if i, ok := t.at[r.key]; ok {
		t.rows[i] = r
		return
	}
	t.at[r.key] = len(t.rows)
	t.rows = append(t.rows, r)
}

func (t *table) remove(key string) {
	i, ok := t.at[key]
	if !ok {
		return
	}
	delete(t.at, key)
	t.rows[i].key = "" // left out when it is written
}

// clone is a copy that can be changed.
func (t *table) clone() *table {
	c := newTable()
	for _, r := range t.rows {
		if r.key != "" {
			c.put(r)
		}
	}
	return c
}

// text writes the table, sorted by key.
func (t *table) text() ([]byte, error) {
	rows := slices.Clone(t.rows)
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.key, b.key) })
	b := []byte(tableHeader)
	for _, r := range rows {
		if r.key == "" {
			continue
		}
		if err := checkRow(r.key, r.value); err != nil {
			return nil, err
		}
		if r.mark != nil {
			m := *r.mark
			m.Key = r.key
			text, err := json.Marshal(m)
			if err != nil {
				return nil, err
			}
			b = append(append(append(b, markPrefix...), text...), '\n')
		}
		b = append(append(append(append(b, r.key...), '\t'), r.value...), '\n')
	}
	return b, nil
}

// checkRow refuses what a line of a map cannot hold as it is: what begins a comment
// or a quotation, what divides key and value, and what ends the line.
func checkRow(key, value string) error {
	if key == "" || value == "" {
		return fmt.Errorf("an entry of a map has a key and a value")
	}
	if key[0] == '#' || strings.ContainsAny(key, "\"\\") || key != strings.ToLower(key) {
		return fmt.Errorf("%q cannot be a key of a map", key)
	}
	for _, r := range key {
		if r <= ' ' || r == 0x7f || r == 0x85 || r == 0xa0 {
			return fmt.Errorf("%q cannot be a key of a map: it holds %q", key, r)
		}
	}
	for _, r := range value {
		if r < ' ' || r == 0x7f {
			return fmt.Errorf("the value of %q cannot stand in a map: it holds %q", key, r)
		}
	}
	if strings.Join(strings.Fields(value), " ") != value {
		return fmt.Errorf("the value of %q cannot stand in a map: it has white space at an end, or twice", key)
	}
	return nil
}

// parseDump reads what "postmap -s" prints of a map that was built.
func parseDump(out []byte) map[string]string {
	m := map[string]string{}
	for l := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimRight(l, "\n"), "\t")
		if key != "" {
			m[key] = strings.Join(strings.Fields(value), " ")
		}
	}
	return m
}

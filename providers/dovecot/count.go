package dovecot

import (
	"context"
	"path"
	"regexp"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
)

// countFiles counts messages by the files that they are, for who may read these and is
// not let ask Dovecot.
func (p *Provider) countFiles(ctx context.Context, keys []string) (map[string]providers.Held, error) {
	st, err := p.load(ctx)
	if err != nil {
		return nil, err
	}
	homes := map[string]string{}
	c := host.Cmd("sh", "-c", listMessages)
	for _, key := range keys {
		local, domain, ok := strings.Cut(key, "@")
		if home := path.Join(st.at, domain, local); ok && strings.HasPrefix(home, st.at+"/") && !strings.Contains(home, "\n") {
			homes[home] = key
			c.Stdin = append(c.Stdin, home+"\n"...)
		}
	}
	out, err := host.Must(ctx, p.host, c)
	if err != nil {
		return nil, err
	}
	held := map[string]providers.Held{}
	key := ""
	for line := range strings.Lines(string(out.Stdout)) {
		line = strings.TrimSuffix(line, "\n")
		if home, ok := strings.CutPrefix(line, "="); ok {
			key = homes[home]
			held[key] = providers.Held{}
			continue
		}
		size, name, _ := strings.Cut(line, " ")
		if m := asSent.FindStringSubmatch(name); m != nil {
			size = m[1]
		}
		h := held[key]
		h.Messages++
		h.Bytes += number(size)
		held[key] = h
	}
	return held, nil
}

// listMessages says of each home directory that there is which files are messages.
const listMessages = `while IFS= read -r home; do
  [ -d "$home/Maildir" ] || continue
  printf '=%s\n' "$home"
  find "$home/Maildir" -type f \( -path '*/cur/*' -o -path '*/new/*' \) -printf '%s %f\n'
done`

// asSent is what the name of a message's file says of its size with line ends as they are
// sent, which is what Dovecot counts.
var asSent = regexp.MustCompile(`,W=(\d+)`)

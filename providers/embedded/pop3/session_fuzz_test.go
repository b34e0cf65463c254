package pop3

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Whatever somebody says, the session ends when he ends it, gives the maildrop
// back, and has deleted nothing but at a QUIT.
func FuzzSession(f *testing.F) {
	for _, said := range []string{
		"STAT\r\nLIST\r\nUIDL 1\r\nTOP 1 1\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n",
		"DELE 1\r\nDELE 1\r\nRSET\r\nDELE 3\r\nSTAT\r\n",
		"DELE 0\r\nDELE -1\r\nDELE 99999999999999999999\r\nTOP 1\r\nTOP 1 -1\r\nLIST 1 1\r\n",
		"USER a\r\nPASS b\r\nAUTH PLAIN =\r\nAUTH PLAIN\r\n*\r\nCAPA\r\nSTLS\r\n",
		"\r\n\n\r\x00\xff\r\n" + strings.Repeat("x", 5000) + "\r\nNOOP\r\n",
	} {
		f.Add(said, true)
		f.Add(said, false)
	}
	f.Fuzz(func(t *testing.T, said string, in bool) {
		st := newFakeStore("Subject: one\r\n\r\n.x\r\n", "", "three")
		fix := start(t, st, Options{})
		var c net.Conn
		if in {
			c = fix.login().nc
		} else {
			c = fix.dial().nc
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.Copy(io.Discard, c) // cut off where what was said was too much
		}()
		// It may be cut off.
		if _, err := io.WriteString(c, said); err == nil {
			_ = c.(*net.TCPConn).CloseWrite()
		}
		<-ended
		fix.stop()
		locked, expunged := st.state()
		if locked {
			t.Errorf("the maildrop stays locked after %q", said)
		}
		if len(expunged) > 0 && !strings.Contains(strings.ToUpper(said), "QUIT") {
			t.Errorf("%v are deleted after %q", expunged, said)
		}
	})
}

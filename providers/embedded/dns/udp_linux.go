package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes of reading and writing over UDP.
const (
	// udpBatch is how many packets are read, and written, by one call at most.
	udpBatch = 64
	// udpBuffer is how much may wait to be read, in bytes, where the system allows
	// it: as much as comes while the program is held up for some milliseconds.
	udpBuffer = 4 << 20
	// maxSockets is how many sockets share an address at most.
	maxSockets = 16
)

func socketsPerAddress() int { return min(runtime.GOMAXPROCS(0), maxSockets) }

// shareAddress lets several sockets have one address, among which the system
// distributes the packets by who sent them.
func shareAddress(_, _ string, c syscall.RawConn) error {
	var err error
	ctl := c.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	})
	return errors.Join(ctl, err)
}

// A message is the kernel's struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
}

// controlSize is room for where a packet was sent to.
const controlSize = 64

// A batch is what is read and written by one call. Its parts point at each other:
// it is never copied.
type batch struct {
	raw syscall.RawConn
	// everywhere: the socket is on all addresses, so that an answer has to be told
	// from which one it goes.
	everywhere bool

	in, out   [udpBatch]message
	inVec     [udpBatch]unix.Iovec
	outVec    [udpBatch]unix.Iovec
	addresses [udpBatch]unix.RawSockaddrInet6 // the larger one of both kinds
	control   [udpBatch][controlSize]byte
	packets   [udpBatch][udpReadSize]byte
	answers   [udpBatch][maxUDPSize]byte

	// Arguments and results of the calls.
	count     int
	n         int
	errno     syscall.Errno
	recv, snd func(fd uintptr) bool
}

func newBatch(c *net.UDPConn) (*batch, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &batch{raw: raw}
	b.recv, b.snd = b.receive, b.send
	if a, ok := c.LocalAddr().(*net.UDPAddr); ok && a.IP.IsUnspecified() {
		b.everywhere = true
		ctl := raw.Control(func(fd uintptr) { err = askForDestination(int(fd)) })
		if err = errors.Join(ctl, err); err != nil {
			return nil, fmt.Errorf("ask for the destination of packets: %w", err)
		}
	}
	return b, nil
}

// askForDestination has packets come with the address that they were sent to.
func askForDestination(fd int) error {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	if family == unix.AF_INET6 {
		return unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_PKTINFO, 1)
}

// serveUDP answers on a socket until it is closed or its read deadline has come.
func (s *Server) serveUDP(c *net.UDPConn) error {
	_ = c.SetReadBuffer(udpBuffer) // as much as the system gives
	b, err := newBatch(c)
	if err != nil {
		return err
	}
	r := s.newResponder()
	const firstPause, longestPause = time.Millisecond, time.Second
	pause := firstPause
	for {
		n, err := b.read()
		switch {
		case err == nil:
			pause = firstPause
		case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
			return net.ErrClosed
		default:
			s.log.Warn("dns: read", "address", c.LocalAddr().String(), "error", err)
			if !sleep(s.streams.Context(), pause) {
				return net.ErrClosed
			}
			pause = min(2*pause, longestPause)
			continue
		}
		answers := 0
		for i := range n {
			m := &b.in[i]
			if m.header.Flags&unix.MSG_TRUNC != 0 {
				continue // longer than any query
			}
			from := client{addr: addressOf(&b.addresses[i])}
			r.out = b.answers[answers][:0]
			if wire := s.respond(r, b.packets[i][:m.length], from); wire != nil {
				b.answer(answers, i, wire)
				answers++
			}
		}
		if err := b.write(answers); err != nil {
			s.log.Debug("dns: write", "address", c.LocalAddr().String(), "error", err)
		}
	}
}

// sleep waits; it is false where the context ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// read reads what packets there are, and waits where there is none.
func (b *batch) read() (int, error) {
	for i := range b.in {
		b.inVec[i].Base = &b.packets[i][0]
		b.inVec[i].SetLen(udpReadSize)
		h := &b.in[i].header
		*h = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&b.addresses[i])), Namelen: unix.SizeofSockaddrInet6, Iov: &b.inVec[i]}
		h.SetIovlen(1)
		if b.everywhere {
			h.Control = &b.control[i][0]
			h.SetControllen(controlSize)
		}
	}
	b.n, b.errno = 0, 0
	if err := b.raw.Read(b.recv); err != nil {
		return 0, err
	}
	if b.errno != 0 {
		return 0, os.NewSyscallError("recvmmsg", b.errno)
	}
	return b.n, nil
}

func (b *batch) receive(fd uintptr) bool {
	for {
		n, _, errno := syscall.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.in[0])), udpBatch, unix.MSG_DONTWAIT, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		b.n, b.errno = int(n), errno
		return errno != syscall.EAGAIN
	}
}

// answer puts the answer to packet i in place k.
func (b *batch) answer(k, i int, wire []byte) {
	b.outVec[k].Base = &wire[0]
	b.outVec[k].SetLen(len(wire))
	in, out := &b.in[i].header, &b.out[k].header
	*out = unix.Msghdr{Name: in.Name, Namelen: in.Namelen, Iov: &b.outVec[k]}
	out.SetIovlen(1)
	if b.everywhere && int(in.Controllen) >= unix.CmsgLen(0) {
		anyInterface(&b.control[i])
		out.Control = in.Control
		out.SetControllen(int(in.Controllen))
	}
}

// anyInterface makes of where a packet was sent to where an answer comes from: the
// address, but not the interface, which is up to the routes.
func anyInterface(control *[controlSize]byte) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(control))
	switch data := control[unix.CmsgLen(0):]; {
	case h.Level == unix.SOL_IP && h.Type == unix.IP_PKTINFO:
		clear(data[:4])
	case h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_PKTINFO:
		clear(data[16:20])
	}
}

// write writes the first answers. One that cannot be sent is left out.
func (b *batch) write(answers int) error {
	var first error
	for sent := 0; sent < answers; {
		b.count, b.n, b.errno = sent, answers, 0
		if err := b.raw.Write(b.snd); err != nil {
			return err
		}
		if b.errno != 0 {
			if first == nil {
				first = os.NewSyscallError("sendmmsg", b.errno)
			}
			sent++
			continue
		}
		sent += b.n
	}
	return first
}

func (b *batch) send(fd uintptr) bool {
	for {
		n, _, errno := syscall.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.out[b.count])), uintptr(b.n-b.count), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		}
		b.n, b.errno = int(n), errno
		return true
	}
}

// addressOf reads the address of a client.
func addressOf(sa *unix.RawSockaddrInet6) netip.Addr {
	if sa.Family == unix.AF_INET {
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr)
	}
	return netip.AddrFrom16(sa.Addr).Unmap()
}

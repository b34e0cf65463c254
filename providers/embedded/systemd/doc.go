// Package systemd is what the daemon and systemd have to say to each other: that it
// is ready, reloads, ends and is well (sd_notify(3)), the sockets that systemd has
// opened for it (sd_listen_fds(3)), and the units by which systemd runs it
// (systemd.service(5), systemd.socket(5)). Start with [New], [Sockets] and [Unit].
//
// Nothing here needs systemd's library or a systemd: without the variables by which
// it speaks to a service, the daemon is on its own.
package systemd

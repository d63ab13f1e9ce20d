package script

import (
	"errors"
	"net/netip"
	"strconv"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// tcpClient is a TCP connection of a script, made by it or accepted by one of its servers. The same object
// can connect again. It belongs to the script goroutine.
type tcpClient struct {
	socketOwner
	conn  *tcpConn // nil = not connected
	input string   // received but not consumed
	epoch int      // what connections of an earlier one bring is stale: the application stopped
}

const (
	tcpConnectTimeout = 10 * time.Second
	tcpFarewell       = 500 * time.Millisecond // for what is still to be sent at the end
)

func (e *Engine) newTCPClient(a *App) *tcpClient {
	c := &tcpClient{socketOwner: socketOwner{e: e, app: a}}
	c.obj = e.newObject(e.classes.tcpClient, c)
	return c
}

func (e *Engine) tcpClientClass() *class {
	return &class{
		name: "TCPClient",
		members: map[string]member{
			"connect": methodOf((*tcpClient).connect),
			"disconnect": methodOf(func(c *tcpClient, _ *lua.LState) int {
				c.drop() // ended follows
				return 0
			}),
			"send": methodOf(func(c *tcpClient, L *lua.LState) int {
				data := L.CheckString(2)
				if c.conn == nil {
					return pushError(L, errNotConnected)
				}
				return pushError(L, c.conn.send(data))
			}),
			"address": propOf(func(c *tcpClient) lua.LValue {
				if c.conn == nil {
					return e.newAddress(netip.AddrPort{})
				}
				return e.newAddress(c.conn.local())
			}),
			"peerAddress": propOf(func(c *tcpClient) lua.LValue {
				if c.conn == nil {
					return e.newAddress(netip.AddrPort{})
				}
				return e.newAddress(c.conn.peer)
			}),
			"connected": propOf(func(c *tcpClient) lua.LValue { return lua.LBool(c.conn != nil) }),
			"idleTime": propOf(func(c *tcpClient) lua.LValue {
				if c.conn == nil {
					return lua.LNumber(0)
				}
				return lua.LNumber(time.Since(time.Unix(0, c.conn.last.Load())).Milliseconds())
			}),
		},
	}
}

// connect starts to connect; what is sent meanwhile waits.
func (c *tcpClient) connect(L *lua.LState) int {
	a, _, err := c.e.addressOf(arguments(L, 2), noNames)
	switch {
	case err != nil:
	case c.conn != nil:
		err = errors.New("connected already")
	case a.Port() == 0:
		err = errNoPort
	default:
		err = c.claim(c)
	}
	if err != nil {
		return c.fail(L, "connect", err)
	}
	c.conn = newTCPConn(c, reachable(a), nil)
	go c.conn.run()
	L.Push(lua.LTrue)
	return 1
}

// drop leaves the connection to send what is queued and to end by itself.
func (c *tcpClient) drop() {
	if c.conn != nil {
		c.conn.finish()
		c.conn, c.input = nil, ""
	}
}

// received hands data to onData, which returns how much of it it consumed; the rest comes again with what
// follows.
func (c *tcpClient) received(conn *tcpConn, data string) {
	defer conn.taken()
	if c.conn != conn {
		return
	}
	c.input += data
	all := c.input
	results, found, err := c.e.method(c.obj, "onData", lua.LString(all))
	if err != nil {
		c.e.scriptError(c.app, "onData", err)
	}
	if c.conn != conn {
		return
	}
	consumed := len(all)
	if found && err == nil && len(results) > 0 {
		if n, ok := results[0].(lua.LNumber); ok {
			consumed = int(min(max(n, 0), lua.LNumber(len(all))))
		}
	}
	if c.input = all[consumed:]; len(c.input) > maxUnread {
		conn.abort(errors.New("onData leaves more than " + strconv.Itoa(maxUnread) + " bytes"))
	}
}

// ended follows the end of a connection.
func (c *tcpClient) ended(conn *tcpConn, err error) {
	if c.epoch != conn.epoch {
		return
	}
	if c.conn == conn {
		c.conn, c.input = nil, ""
	}
	if c.conn == nil {
		c.release(c)
	}
	args := []lua.LValue{lua.LString(conn.peer.String())}
	if err != nil {
		args = append(args, lua.LString(errorOfNet(err)))
	}
	c.e.notify(c.obj, "onDisconnection", args...)
}

// closeOwned implements closer: no event follows, the script is gone.
func (c *tcpClient) closeOwned() {
	c.epoch++
	c.drop()
	c.release(c)
}

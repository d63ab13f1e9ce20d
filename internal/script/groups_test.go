package script

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// fakeGroups notes what the introductions are told.
type fakeGroups struct{ log []string }

func (g *fakeGroups) note(sign string, id netconn.GroupID, peer rtmfp.PeerID, m *netconn.Membership) {
	kind := "virtual"
	if m != nil {
		kind = "real"
	}
	g.log = append(g.log, fmt.Sprintf("%s%x %s %x", sign, id[0], kind, peer[0]))
}

func (g *fakeGroups) Join(id netconn.GroupID, peer rtmfp.PeerID, m *netconn.Membership) {
	g.note("+", id, peer, m)
}

func (g *fakeGroups) Leave(id netconn.GroupID, peer rtmfp.PeerID, m *netconn.Membership) {
	g.note("-", id, peer, m)
}

// told is what was noted since the last call; the peer of c is written as c.
func (g *fakeGroups) told(c ...*rigClient) string {
	text := strings.Join(g.log, ", ")
	for i, c := range c {
		id := c.node.Endpoint().PeerID()
		for _, kind := range []string{"real", "virtual"} {
			text = strings.ReplaceAll(text, fmt.Sprintf("%s %x", kind, id[0]), fmt.Sprintf("%s c%d", kind, i+1))
		}
	}
	g.log = nil
	return text
}

// groupID is the id of the n-th group of a test, hexadecimal and raw as Lua writes it.
func groupID(n byte) (id, raw string) {
	b := slices.Repeat([]byte{n}, 32)
	return hex.EncodeToString(b), fmt.Sprintf(`("\%d"):rep(32)`, n)
}

// joinGroup makes a client a member of a NetGroup, as Flash does.
func (c *rigClient) joinGroup(n byte) *rtmfp.SendFlow {
	c.r.t.Helper()
	f, err := c.session.Open(c.r.Now(), []byte("GC"), rtmfp.FlowOptions{})
	if err != nil {
		c.r.t.Fatal(err)
	}
	msg := append([]byte{0x01, 33, 0x15}, slices.Repeat([]byte{n}, 32)...)
	if _, err := f.Write(c.r.Now(), rtmfp.Message{Body: rtmfp.CopyBuffer(msg)}); err != nil {
		c.r.t.Fatal(err)
	}
	c.node.Wake()
	c.r.run(100 * time.Millisecond)
	return f
}

// leaveGroup ends what joinGroup began.
func (c *rigClient) leaveGroup(f *rtmfp.SendFlow) {
	f.Close(c.r.Now())
	c.node.Wake()
	c.r.run(100 * time.Millisecond)
}

const groupEvents = `
	log = ""
	function onConnection(client)
		function client:onJoinGroup(group) log = log .. "+" .. group.id:sub(1, 2) .. "(" .. group:size() .. ")" end
		function client:onUnjoinGroup(group) log = log .. "-" .. group.id:sub(1, 2) .. "(" .. group:size() .. ")" end
	end
	function onDisconnection(client) log = log .. " gone" end
	function take() local l = log log = "" return l end`

func groupsRig(t *testing.T, script string) (*rig, *fakeGroups) {
	g := &fakeGroups{}
	return newRig(t, files{"main.lua": script}, func(c *Config) { c.Groups = g }), g
}

func TestGroups(t *testing.T) {
	r, g := groupsRig(t, groupEvents)
	a, b := r.dial("rtmfp://10.0.0.1/"), r.dial("rtmfp://10.0.0.1/")
	id, raw := groupID(7)
	r.expect("", `mona.groups.count, #mona.groups, mona.groups("`+id+`")`, "0,0,nil")
	fa := a.joinGroup(7)
	r.expect("", `take()`, "+07(1)")
	r.same("introductions", g.told(a), "+7 real c1")
	b.joinGroup(7)
	r.lua("", `
		g = mona.groups("`+id+`")
		a, b = mona.clients("`+r.idOf(a)+`"), mona.clients("`+r.idOf(b)+`")`)
	first, second := r.idOf(a), r.idOf(b)
	if second < first {
		first, second = second, first
	}
	r.lua("", `first, second = mona.clients("`+first+`"), mona.clients("`+second+`")
		function keys(...)
			local s = ""
			for k, v in ... do s = s .. tostring(k) .. (v == first and "=first " or v == second and "=second " or "=? ") end
			return s
		end`)
	r.expectAll("", [][2]string{
		{`take()`, "+07(2)"},
		{`g.id, g.rawId == ` + raw + `, g.count, g:size(), #g, tostring(g)`, id + ",true,2,2,2,group " + id},
		{`g == mona.groups[` + raw + `], g == mona.groups("` + id + `"), g == mona.groups.` + "x" + id[1:], "true,true,false"},
		{`next(mona.groups), mona.groups.count, #mona.groups`, id + ",1,1"},
		{`g.members.count, #g.members, g.members == g.members`, "2,2,true"},
		{`g.members(a.id) == a, g.members[b.rawId] == b, g.members(1) == first, g.members[2] == second, g.members[3]`, "true,true,true,true,nil"},
		{`keys(pairs(g.members))`, first + "=first " + second + "=second "},
		{`keys(g.members:pairs())`, first + "=first " + second + "=second "},
		{`keys(ipairs(g.members)), keys(g.members:ipairs())`, "1=first 2=second ,1=first 2=second "},
		{`keys(ipairs(g)), keys(g:ipairs()), g(1) == first, g[a.id] == a`, "1=first 2=second ,1=first 2=second ,true,true"},
		{`next(g.members)`, first + ",client " + first},
	})
	r.lua("", `g.mine = 1; g.id = 2; g.members.x = 1; mona.groups.x = 1`)
	r.logged("group.id is read-only")
	r.logged("members is read-only")
	r.logged("groups is read-only")
	r.expect("", `g.mine`, "1")

	a.leaveGroup(fa)
	r.expect("", `take(), g.count, g.members(b.id) == b`, "-07(1),1,true")
	b.leave()
	r.expect("", `take(), mona.groups.count`, "-07(0) gone,0")
	r.same("introductions", g.told(a, b), "+7 real c2, -7 real c1, -7 real c2")
	r.forget()
	r.expect("", `g.id, g.members`, "nil,nil")
	r.logged("group object deleted")
}

// TestGroupTwice: a client may have two NetGroups of one name: one member.
func TestGroupTwice(t *testing.T) {
	r, g := groupsRig(t, groupEvents)
	a := r.dial("rtmfp://10.0.0.1/")
	f1, f2 := a.joinGroup(1), a.joinGroup(1)
	r.expect("", `take(), next(mona.groups) ~= nil`, "+01(1),true")
	a.leaveGroup(f1)
	r.expect("", `take(), mona.groups.count`, ",1")
	a.leaveGroup(f2)
	r.expect("", `take(), mona.groups.count`, "-01(0),0")
	r.same("introductions", g.told(a), "+1 real c1, +1 real c1, -1 real c1, -1 real c1")
}

// TestGroupOrder: events when a connection ends with everything the client did.
func TestGroupOrder(t *testing.T) {
	r, _ := groupsRig(t, `
		log = ""
		function onConnection(client)
			function client:onUnjoinGroup(group) log = log .. "unjoin" .. group.rawId:byte() .. " " .. mona.clients.count .. " " end
			function client:onUnpublish() log = log .. "unpublish " .. mona.clients.count .. " " end
		end
		function onDisconnection(client) log = log .. "gone " .. mona.clients.count end`)
	a := r.dial("rtmfp://10.0.0.1/")
	a.publish("cam")
	a.joinGroup(1)
	a.joinGroup(2)
	r.lua("", `mona.clients("`+r.idOf(a)+`").writer:close()`)
	r.until(func() bool { return r.eval("", "mona.clients.count") == "0" }, "end of the client")
	r.expect("", `log`, "unjoin2 1 unjoin1 1 unpublish 1 gone 0")
}

// TestGroupJoinRefused: a join that the application is too busy for did not happen, and neither did its end.
func TestGroupJoinRefused(t *testing.T) {
	r, g := groupsRig(t, groupEvents)
	a := r.dial("rtmfp://10.0.0.1/")
	most := r.engine.cfg.MaxQueue
	r.engine.cfg.MaxQueue = 0
	f := a.joinGroup(1)
	r.engine.cfg.MaxQueue = most
	a.leaveGroup(f)
	r.expect("", `take(), mona.groups.count`, ",0")
	r.same("introductions", g.told(), "")
}

func TestVirtualMembers(t *testing.T) {
	r, g := groupsRig(t, groupEvents)
	id, raw := groupID(3)
	peer, peerRaw := groupID(0x41)
	r.lua("", `m = mona:joinGroup("`+peer+`", "`+id+`")`)
	r.expectAll("", [][2]string{
		{`m.id, m.rawId == ` + peerRaw + `, tostring(m)`, peer + ",true,member " + peer},
		{`mona.groups(` + raw + `).count, mona.groups("` + id + `").members("` + peer + `") == m`, "1,true"},
	})
	r.same("introductions", g.told(), "+3 virtual 41")
	r.lua("", `m.id = 1; m.server = "script field"`)
	r.logged("member.id is read-only")
	r.expect("", `m.server`, "script field")

	r.lua("", `m2 = mona.groups:join(`+peerRaw+`, `+raw+`)`) // the older name
	r.expect("", `m2 ~= m, mona.groups("`+id+`").count`, "true,1")
	r.lua("", `m:release() m:release()`)
	r.expect("", `mona.groups.count, mona.groups("`+id+`").members(1) == m2`, "1,true")
	r.same("introductions", g.told(), "")
	r.lua("", `m2:release()`)
	r.expect("", `mona.groups.count, take()`, "0,")
	r.same("introductions", g.told(), "-3 virtual 41")
	r.lua("", `m2:release()`)
	r.notLogged("deleted")

	r.engine.objects.virtual = maxVirtual
	r.expect("", `mona:joinGroup("`+peer+`", "`+id+`")`, "nil")
	r.logged("joinGroup: too many virtual members")
	r.engine.objects.virtual = 0

	for _, call := range []string{
		`mona:joinGroup()`, `mona:joinGroup("` + peer + `")`, `mona:joinGroup("x", "` + id + `")`, `mona:joinGroup(` + peerRaw + `, 5)`,
		`mona:joinGroup("` + peer[1:] + `g", "` + id + `")`, `mona.groups:join({}, "` + id + `")`,
	} {
		r.forget()
		r.expect("", call, "nil")
		r.logged("joinGroup: the ")
	}
}

// TestRealMemberWins: a peer that is virtual and then connects here, and the reverse.
func TestRealMemberWins(t *testing.T) {
	r, g := groupsRig(t, groupEvents)
	a := r.dial("rtmfp://10.0.0.1/")
	id, _ := groupID(5)
	r.lua("", `a = mona.clients("`+r.idOf(a)+`") m = mona:joinGroup(a.id, "`+id+`")`)
	r.expect("", `mona.groups("`+id+`").members(1) == m`, "true")
	f := a.joinGroup(5)
	r.expect("", `take(), mona.groups("`+id+`").members(1) == a, mona.groups("`+id+`").count`, "+05(1),true,1")
	r.same("introductions", g.told(a), "+5 virtual c1, -5 virtual c1, +5 real c1")
	a.leaveGroup(f)
	r.expect("", `take(), mona.groups("`+id+`").members(1) == m`, "-05(1),true")
	r.same("introductions", g.told(a), "-5 real c1, +5 virtual c1")
	a.joinGroup(5)
	r.lua("", `m:release()`)
	r.expect("", `mona.groups("`+id+`").members(1) == a`, "true")
	r.same("introductions", g.told(a), "-5 virtual c1, +5 real c1")
}

// TestVirtualMembersEnd: they end with the script of the application that made them.
func TestVirtualMembersEnd(t *testing.T) {
	r, g := groupsRig(t, ``)
	id, _ := groupID(5)
	peer, _ := groupID(0x42)
	r.write("a/main.lua", `m = mona:joinGroup("`+peer+`", "`+id+`")`)
	r.lua("", `children("a")`)
	r.expect("", `mona.groups.count`, "1")
	r.write("a/main.lua", ``)
	if err := r.reload("/a"); err != nil {
		t.Fatal(err)
	}
	r.expect("", `mona.groups.count`, "0")
	r.same("introductions", g.told(), "+5 virtual 42, -5 virtual 42")
	// A function of root, called by another application, makes it for root.
	r.write("main.lua", `function add() return mona:joinGroup("`+peer+`", "`+id+`") end`)
	_ = r.reload("")
	r.lua("/a", `add()`)
	r.write("a/main.lua", `x = 1`)
	_ = r.reload("/a")
	r.expect("", `mona.groups.count`, "1")
	r.write("main.lua", ``)
	_ = r.reload("")
	r.expect("", `mona.groups.count`, "0")
}

// TestGroupLoop: inside a loop over mona.groups, ipairs(mona.groups) gives the members of that group.
func TestGroupLoop(t *testing.T) {
	r, _ := groupsRig(t, ``)
	var ids []string
	for i := byte(1); i <= 4; i++ {
		id, _ := groupID(i)
		ids = append(ids, `"`+id+`"`)
	}
	r.lua("", `
		ids = {`+strings.Join(ids, ",")+`}
		mona:joinGroup(ids[3], ids[1]) mona:joinGroup(ids[4], ids[1]) mona:joinGroup(ids[4], ids[2])
		function inner()
			local s = ""
			for i, member in ipairs(mona.groups) do s = s .. i .. "=" .. member.rawId:byte() .. " " end
			return s
		end
		function outer()
			local s = ""
			for id, group in pairs(mona.groups) do s = s .. group.rawId:byte() .. ":" .. inner() end
			return s
		end`)
	r.expectAll("", [][2]string{
		{`inner()`, ""},
		{`outer()`, "1:1=3 2=4 2:1=4 "},
		{`outer() .. inner()`, "1:1=3 2=4 2:1=4 "},
		{`(function() for id in mona.groups:pairs() do return inner() end end)()`, "1=3 2=4 "},
		{`inner()`, ""}, // the loop was left, and its event is over
		{`(function() for id in pairs(mona.groups) do local a = outer() return a .. "|" .. inner() end end)()`, "1:1=3 2=4 2:1=4 |1=3 2=4 "},
	})
}

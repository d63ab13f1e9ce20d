package netconn

import (
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

func TestQuality(t *testing.T) {
	var c Conn
	at := rtmfp.Time(time.Hour)
	if q := c.Quality(at); q != (Quality{}) {
		t.Errorf("before the first observation: %+v", q)
	}
	st := rtmfp.SessionStats{Opened: at}
	for i := 1; i <= 20; i++ { // 1000 bytes a second, from the 10th on 2000 with a quarter lost
		at = at.Add(time.Second)
		st.BytesSent += 1000
		st.FragmentsSent += 4
		if i > 10 {
			st.BytesSent += 1000
			st.FragmentsLost++
		}
		c.quality.observe(at, st)
		q := c.Quality(at)
		switch {
		case q.LastSent != at:
			t.Errorf("last sent %v", q.LastSent)
		case i <= 10 && (q.ByteRate != 1000 || q.LostRate != 0), i >= 15 && (q.ByteRate != 2000 || q.LostRate != 0.25):
			t.Errorf("after %d s: %+v", i, q)
		}
	}
	sent := at
	c.quality.observe(at.Add(time.Second), st)
	if q := c.Quality(at.Add(time.Second)); q.LastSent != sent || q.ByteRate != 1500 {
		t.Errorf("idle for a second: %+v", q)
	}
	if q := c.Quality(at.Add(time.Minute)); q.ByteRate != 0 || q.LostRate != 0 || q.LastSent != sent {
		t.Errorf("idle for a minute: %+v", q)
	}
}

// What the application sets before it accepts holds from the first frame on, and the player has the last
// word; the next play begins with both.
func TestSetReceive(t *testing.T) {
	r := newRelay(t, 0)
	r.play.command(r.playing, "closeStream", 0)
	r.run()
	app := r.shard.cfg.App.(*askApp)
	app.play = func(now rtmfp.Time, p *PlayRequest) {
		if !p.Stream.Receives(media.Audio) || !p.Stream.Receives(media.Video) {
			t.Error("the last play still counts")
		}
		p.Stream.SetReceive(media.Audio, false)
		p.Accept(now)
	}
	for range 2 {
		r.play.command(r.playing, "play", 0, amf.String("cam"))
		r.run()
		r.play.got = nil
		r.pub.write(r.in, typeVideo, 0, keyFrame)
		r.pub.write(r.in, typeAudio, 0, soundFrame)
		r.play.expect(r.playID, "video 0 1701000000aa")
		r.play.command(r.playing, "receiveAudio", 0, amf.Bool(true))
		r.play.command(r.playing, "receiveVideo", 0, amf.Bool(false))
		r.run()
		s := r.play.conn.Stream(r.playID)
		if !s.Receives(media.Audio) || s.Receives(media.Video) {
			t.Error("the player's commands do not show")
		}
	}
}

package netconn

import (
	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// What a player receives of audio and video is decided by its commands and by the application, whoever
// spoke last. A new play begins with both.

// SetReceive turns audio or video of a subscription on or off, from ApplyReceive or the answer to the play
// request on. Any goroutine.
func (s *Stream) SetReceive(kind media.Kind, on bool) { s.mute[outKindOf(kind)].Store(!on) }

// Receives reports what SetReceive or the player said last. Any goroutine.
func (s *Stream) Receives(kind media.Kind) bool { return !s.mute[outKindOf(kind)].Load() }

// ApplyReceive puts into effect what SetReceive said.
func (s *Stream) ApplyReceive(now rtmfp.Time) {
	if s.listener != nil {
		s.listener.SetAudio(s.Receives(media.Audio))
		s.listener.SetVideo(now, s.Receives(media.Video))
	}
}

// receive handles receiveAudio and receiveVideo.
func (s *Stream) receive(now rtmfp.Time, kind media.Kind, cmd *command) {
	if on, ok := cmd.bool(0); ok && s.listener != nil {
		s.SetReceive(kind, on)
		s.ApplyReceive(now)
	}
}

package netconn

import (
	"errors"
	"strings"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// publish handles the publish command: it ends what the stream did, and asks the application if the name
// is free. A name that is no string, or an empty one, only ends.
func (s *Stream) publish(now rtmfp.Time, cmd *command) {
	s.stop(now, true)
	full, _ := cmd.text(0)
	name, query := splitName(strings.Clone(full))
	if name == "" {
		return
	}
	c := s.conn
	r := &PublishRequest{Stream: s, Name: name, Query: query, Type: "live"}
	if t, ok := cmd.text(1); ok {
		r.Type = strings.Clone(t)
	}
	if c.shard.cfg.Hub.Lookup(name) != nil {
		s.refusePublish(now, name, name+" is already publishing")
		return
	}
	s.publishing = r
	s.lane.blocked = true
	c.ask(now, &r.answer)
	c.shard.cfg.App.Publish(now, r)
}

func (s *Stream) acceptPublish(now rtmfp.Time, r *PublishRequest) bool {
	c := s.conn
	s.publishing = nil
	defer c.unblock(now, &s.lane)
	p, err := c.shard.cfg.Hub.Publish(c.path, r.Name, s)
	switch {
	case errors.Is(err, media.ErrInUse): // somebody else was accepted first
		s.refusePublish(now, r.Name, r.Name+" is already publishing")
		return false
	case err != nil:
		c.shard.log(now, zerolog.WarnLevel, "publish", c).Str("name", r.Name).Err(err).Msg("publication refused")
		s.refusePublish(now, r.Name, "Too many publications")
		return false
	}
	c.counters.Publishes.Add(1)
	s.name, s.query, s.publication = r.Name, r.Query, p
	c.shard.log(now, zerolog.InfoLevel, "published", c).Str("name", r.Name).Msg("publication started")
	s.status(now, levelStatus, CodePublishStart, r.Name+" is now published", r.Name)
	return true
}

func (s *Stream) rejectPublish(now rtmfp.Time, r *PublishRequest, description string) {
	if description == "" {
		description = "Not allowed to publish " + r.Name
	}
	s.publishing = nil
	s.refusePublish(now, r.Name, description)
	s.conn.unblock(now, &s.lane)
}

func (s *Stream) refusePublish(now rtmfp.Time, name, description string) {
	s.conn.counters.PublishRefused.Add(1)
	s.status(now, levelError, CodePublishBadName, description, name)
}

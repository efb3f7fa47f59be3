// Package coreserver is the core's end of the protocol: it serves CoreService
// to one front-end.
package coreserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tidebot-dev/tidebot/gitops"
	pb "github.com/tidebot-dev/tidebot/gitops/internal/frontendv1"
)

// Core is frontend.Core.
type Core interface {
	Execute(ctx context.Context, req gitops.Request, report func(gitops.Progress)) (gitops.Result, error)
}

// Limit is how many requests of one front-end are carried out at a time.
const Limit = 256

// maxEvents is how much progress is kept for a front-end that is slow to read.
const maxEvents = 64

// A Pool runs the requests of a front-end, over all its restarts. What runs
// is not bound to the call that brought it: it goes on if the front-end dies.
type Pool struct {
	ctx  context.Context
	core Core
	log  *slog.Logger
	free chan struct{}
	work sync.WaitGroup
}

// NewPool returns a pool that calls core with contexts made from ctx.
func NewPool(ctx context.Context, core Core, log *slog.Logger) *Pool {
	return &Pool{ctx: ctx, core: core, log: log, free: make(chan struct{}, Limit)}
}

// Wait returns when nothing runs any more. No Server may be serving.
func (p *Pool) Wait() { p.work.Wait() }

// A Server serves CoreService to one process of a front-end.
type Server struct {
	pb.UnimplementedCoreServiceServer
	pool *Pool
	// done ends Watch.
	done <-chan struct{}
}

// Register makes s serve the pool. Watch lives until done is closed.
func (p *Pool) Register(s grpc.ServiceRegistrar, done <-chan struct{}) {
	pb.RegisterCoreServiceServer(s, &Server{pool: p, done: done})
}

// ServerOptions are for the gRPC server that the pool is registered with.
func (p *Pool) ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(pb.MaxMessage),
		grpc.MaxConcurrentStreams(2 * Limit),
		grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
			defer func() {
				if v := recover(); v != nil {
					err = p.panicked(info.FullMethod, v)
				}
			}()
			return next(srv, stream)
		}),
	}
}

func (p *Pool) panicked(where string, v any) error {
	p.log.Error("panic while serving a front-end", "call", where, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "internal error, ask an operator")
}

// Watch lives as long as the core wants the front-end.
func (s *Server) Watch(_ *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchEvent]) error {
	// Headers go out at once, so that the front-end knows it is watching.
	if err := stream.SendHeader(metadata.MD{}); err != nil {
		return err
	}
	select {
	case <-s.done:
	case <-stream.Context().Done():
	}
	return nil
}

// Execute carries out a request and streams its progress and its result.
func (s *Server) Execute(req *pb.ExecuteRequest, stream grpc.ServerStreamingServer[pb.ExecuteEvent]) error {
	r, err := pb.RequestFromProto(req.GetRequest())
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	select {
	case s.pool.free <- struct{}{}:
	default:
		s.pool.log.Warn("front-end has too many requests at a time", "limit", Limit)
		if err := sendProgress(stream, gitops.Progress{Phase: gitops.Unavailable, Message: "too many requests at a time"}); err != nil {
			return err
		}
		return sendResult(stream, gitops.Result{})
	}
	events := make(chan gitops.Progress, maxEvents)
	var result gitops.Result
	done := make(chan error, 1)
	s.pool.work.Go(func() {
		defer func() { <-s.pool.free }()
		var err error
		result, err = s.pool.run(r, events)
		done <- err
	})
	for {
		select {
		case p := <-events:
			if err := sendProgress(stream, p); err != nil {
				return err
			}
		case err := <-done:
			for len(events) > 0 {
				if err := sendProgress(stream, <-events); err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
			return sendResult(stream, result)
		case <-stream.Context().Done():
			// The front-end went away; the work does not.
			return stream.Context().Err()
		}
	}
}

// run calls the core. The error is one for the wire.
func (p *Pool) run(r gitops.Request, events chan<- gitops.Progress) (result gitops.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = p.panicked("Execute", v)
		}
	}()
	result, err = p.core.Execute(p.ctx, r, func(g gitops.Progress) {
		select {
		case events <- g:
		default:
			// A front-end that does not read must not hold up the core. It
			// misses some steps; the first phase and the result it gets.
		}
	})
	switch {
	case err == nil:
		return result, nil
	case errors.Is(err, context.Canceled):
		return result, status.Error(codes.Canceled, "the core is stopping")
	case errors.Is(err, context.DeadlineExceeded):
		return result, status.Error(codes.DeadlineExceeded, "the core did not finish in time")
	}
	return result, status.Error(codes.Unknown, strings.ToValidUTF8(err.Error(), "\uFFFD"))
}

func sendProgress(stream grpc.ServerStreamingServer[pb.ExecuteEvent], g gitops.Progress) error {
	p, err := pb.ProgressToProto(g)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return stream.Send(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Progress{Progress: p}})
}

func sendResult(stream grpc.ServerStreamingServer[pb.ExecuteEvent], r gitops.Result) error {
	p, err := pb.ResultToProto(r)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return stream.Send(&pb.ExecuteEvent{Event: &pb.ExecuteEvent_Result{Result: p}})
}

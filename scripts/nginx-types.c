/*
 * nginx-types: the types of nginx and of its Lua modules that scripts read, for
 * make-layouts-nginx to compile against the headers of each version. WITH_... says of which part:
 * gcc keeps a type that a variable has, and all that it leads to. layouts/nginx/PART.list say what
 * is kept of it.
 */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <ngx_stream.h>

#ifdef WITH_HTTP_LUA
#include "ngx_http_lua_common.h"
#include "ngx_http_lua_subrequest.h"
#if __has_include("ngx_http_lua_shdict.h") /* APISIX's has them in a module of their own */
#define WITH_SHDICT
#include "ngx_http_lua_shdict.h"
#endif
#endif
#ifdef WITH_STREAM_LUA
#include "ngx_stream_lua_common.h"
#endif

#define TYPE(t) t *of_##t

/* What a build of these headers says of itself: the options that change types. */
const char signature[] = NGX_MODULE_SIGNATURE;

ngx_module_t ngx_core_module, ngx_conf_module, ngx_errlog_module, ngx_events_module,
    ngx_event_core_module, ngx_http_module, ngx_http_core_module, ngx_http_log_module,
    ngx_http_proxy_module, ngx_http_rewrite_module, ngx_http_upstream_module, ngx_stream_module,
    ngx_stream_core_module, ngx_stream_upstream_module;
volatile ngx_cycle_t *ngx_cycle;
volatile ngx_msec_t ngx_current_msec;
volatile ngx_time_t *ngx_cached_time;
ngx_uint_t ngx_max_module, ngx_pagesize, ngx_process, ngx_worker;
ngx_int_t ngx_ncpu;
ngx_pid_t ngx_parent, ngx_pid;
ngx_rbtree_t ngx_event_timer_rbtree;
ngx_queue_t ngx_posted_accept_events, ngx_posted_events;
ngx_http_output_header_filter_pt ngx_http_top_header_filter;
ngx_http_output_body_filter_pt ngx_http_top_body_filter;

TYPE(ngx_chain_t);
TYPE(ngx_event_t);
TYPE(ngx_http_conf_ctx_t);
TYPE(ngx_http_connection_t);
TYPE(ngx_http_request_t);
TYPE(ngx_http_upstream_t);
TYPE(ngx_listening_t);
TYPE(ngx_peer_connection_t);
TYPE(ngx_pool_t);
TYPE(ngx_shm_zone_t);
TYPE(ngx_slab_pool_t);
TYPE(ngx_stream_conf_ctx_t);
TYPE(ngx_stream_session_t);
struct sockaddr_in *of_sockaddr_in;
struct sockaddr_in6 *of_sockaddr_in6;
struct sockaddr_un *of_sockaddr_un;

#ifdef WITH_HTTP_LUA
ngx_module_t ngx_http_lua_module;
TYPE(ngx_http_lua_ctx_t);
TYPE(ngx_http_lua_main_conf_t);
TYPE(ngx_http_lua_post_subrequest_data_t);
#ifdef WITH_SHDICT
TYPE(ngx_http_lua_shdict_ctx_t);
TYPE(ngx_http_lua_shdict_node_t);
TYPE(ngx_http_lua_shm_zone_ctx_t);
#endif
#endif

#ifdef WITH_STREAM_LUA
ngx_module_t ngx_stream_lua_module;
TYPE(ngx_stream_lua_ctx_t);
TYPE(ngx_stream_lua_main_conf_t);
#endif

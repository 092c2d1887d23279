/* ==========================================================================
 * watch, private: what decoding and looking share
 * ======================================================================= */
#ifndef VYI_WATCH_IMPL_H
#define VYI_WATCH_IMPL_H

#include "rooms/watch/watch.h"
#include "wire/wire_impl.h"

#ifndef VYRE_NO_WATCH

VYI_EXTERN_C_BEGIN

/* The words of a control buffer's header. */
VYI_API void vyi_watch_control(const void *control, vyre_watch *w);
/* Adds the states of so many slots. */
VYI_API void vyi_watch_states(const void *ring, size_t slots, vyre_watch *w);
/* What follows from the counts of states. */
VYI_API void vyi_watch_derive(vyre_watch *w);

VYI_EXTERN_C_END

#endif /* VYRE_NO_WATCH */
#endif

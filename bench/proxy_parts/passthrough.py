"""The floor: a proxy that passes bytes on and looks at nothing, on the same HTTP library as ours.

python -m bench.proxy_parts.passthrough PORT UPSTREAM
"""

import asyncio
import sys

import aiohttp
from aiohttp import web


async def serve(port: int, upstream: str) -> None:
    """Serve until the process ends."""
    async with aiohttp.ClientSession() as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            headers = {"Content-Type": "application/json"}
            async with session.request(
                request.method, upstream + request.path, data=body, headers=headers
            ) as answer:
                if answer.content_type != "text/event-stream":
                    return web.Response(
                        body=await answer.read(), status=answer.status, content_type=answer.content_type
                    )
                response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response

        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))

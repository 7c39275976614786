/**
 * A TCP proxy between a client and a test server that counts bytes both ways and misbehaves when asked: cuts lines,
 * or goes silent as a half-open connection does.
 */
import net from 'node:net';
export async function startProxy(target) {
    const pairs = new Set();
    let up = 0;
    let down = 0;
    let opened = 0;
    let stalled = false;
    let accepting = true;
    let left = null;
    function cutAll() {
        for (const pair of pairs)
            for (const socket of pair)
                socket.resetAndDestroy();
        pairs.clear();
    }
    const server = net.createServer({ noDelay: true, allowHalfOpen: true }, client => {
        if (!accepting) {
            client.resetAndDestroy();
            return;
        }
        opened += 1;
        const upstream = net.connect({ ...target, noDelay: true, allowHalfOpen: true });
        const pair = [client, upstream];
        pairs.add(pair);
        if (stalled)
            for (const socket of pair)
                socket.pause();
        relay(client, upstream, chunk => {
            up += chunk.length;
            return chunk;
        });
        relay(upstream, client, chunk => {
            let passed = chunk;
            if (left !== null) {
                passed = chunk.subarray(0, left);
                left -= passed.length;
            }
            down += passed.length;
            return passed;
        });
        function relay(from, to, count) {
            from.on('data', chunk => {
                const passed = count(chunk);
                const flows = to.write(passed, () => {
                    if (left === 0) {
                        left = null;
                        cutAll();
                    }
                });
                if (!flows)
                    from.pause();
            });
            to.on('drain', () => {
                if (!stalled)
                    from.resume();
            });
            from.on('end', () => to.end());
            from.on('error', () => to.destroy());
            from.on('close', () => {
                to.destroy();
                pairs.delete(pair);
            });
        }
    });
    await new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
    });
    return {
        port: server.address().port,
        bytes: () => ({ up, down }),
        resetCount() {
            up = 0;
            down = 0;
            opened = 0;
        },
        cutAll,
        cutAfter(bytes) {
            left = bytes;
        },
        stall(on) {
            stalled = on;
            for (const pair of pairs)
                for (const socket of pair)
                    on ? socket.pause() : socket.resume();
        },
        accept(on) {
            accepting = on;
        },
        connections: () => pairs.size,
        opened: () => opened,
        async stop() {
            const closed = new Promise(resolve => server.close(() => resolve()));
            cutAll();
            await closed;
        },
    };
}
